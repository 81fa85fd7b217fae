import EVM
import EthereumPrimitives

/// What a developer should be told of the transactions of new blocks.
extension Chain {
  /// A line for each transaction that failed, and for each that called an address without code, in the
  /// blocks above a height.
  func warnings(above height: UInt64) -> [String] {
    guard latest.number > height else { return [] }
    // Of many blocks at once the latest ones are enough, and their states are kept.
    let first = max(
      height + 1, latest.number.subtractingSaturating(UInt64(BlockHistory.retainedStates) / 2))
    return (first...latest.number).flatMap { number in
      history[number].map { block in
        block.receipts.indices.compactMap { warning(at: $0, of: block) }
      }
        ?? []
    }
  }

  private func warning(at index: Int, of block: Block) -> String? {
    let sent = block.transactions[index]
    if !block.receipts[index].succeeded {
      return "transaction \(sent.hash.hex) failed: \(failure(at: index, of: block))"
    }
    guard let recipient = sent.transaction.to, !sent.transaction.data.isEmpty,
      machine.isPlainTransfer(sent, on: history.state(after: block.number) ?? state)
    else { return nil }
    return "transaction \(sent.hash.hex) called \(recipient.checksummed), which has no code: "
      + "only its value was moved"
  }

  /// The reason, the instruction, and the calls that led to it.
  func failure(at index: Int, of block: Block) -> String {
    if let revert = block.forcedReverts[index] {
      return "a fault reverted it" + (revert.reason.map { ": \($0)" } ?? "")
    }
    let tracer = CallTracer()
    do {
      _ = try trace(block.transactions[index].hash, with: TraceOptions(), tracer: tracer)
    } catch { return "\(error)" }
    guard let root = tracer.root, let cause = root.failurePath.last else {
      return "its failure cannot be reproduced"
    }
    var text: String
    switch cause.completion {
    case .failed(let failure): text = "\(failure)"
    case .reverted, .returned:
      text = "execution reverted" + (RevertReason(cause.output).map { ": \($0.text)" } ?? "")
    }
    if let opcode = cause.lastOpcode { text += " at \(Opcode.name(of: opcode))" }
    let path = [root.caller.checksummed] + root.failurePath.map(\.contract.checksummed)
    return "\(text), in the calls \(path.joined(separator: " → "))"
  }
}
