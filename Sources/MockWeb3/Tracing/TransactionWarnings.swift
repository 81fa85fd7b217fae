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
    let tracer = FailureTracer()
    do {
      _ = try trace(block.transactions[index].hash, with: TraceOptions(), tracer: tracer)
    } catch { return "\(error)" }
    guard let first = tracer.path.first, let cause = tracer.path.last else {
      return "its failure cannot be reproduced"
    }
    var text: String
    switch cause.completion {
    case .failed(let failure): text = "\(failure)"
    case .reverted, .returned:
      text = "execution reverted" + (RevertReason(cause.output).map { ": \($0.text)" } ?? "")
    }
    if let opcode = cause.lastOpcode { text += " at \(Opcode.name(of: opcode))" }
    let path = [first.caller.checksummed] + tracer.path.map(\.contract.checksummed)
    return "\(text), in the calls \(path.joined(separator: " → "))"
  }
}

/// Follows a transaction to the call whose failure made it fail, and keeps no more than the way there:
/// a transaction may make any number of calls, with inputs of any length.
private final class FailureTracer: Tracer {
  /// A call that failed.
  struct Call {
    let caller: Address
    let contract: Address
    /// The opcode that ran last.
    var lastOpcode: UInt8?
    var completion = Completion.returned
    /// What it reverted with, up to a limit that leaves room for a reason.
    var output: [UInt8] = []
  }

  private static let outputLimit = 4096

  /// The calls that run, each with the path to the cause of its latest call's failure.
  private var open: [(call: Call, below: [Call])] = []
  /// The transaction's own call, and those below it that failed in the same way; empty when it did not
  /// fail.
  private(set) var path: [Call] = []

  func enter(_ call: TraceCall) {
    open.append((Call(caller: call.caller, contract: call.contract), []))
  }

  func step(_ step: TraceStep) { open[open.count - 1].call.lastOpcode = step.opcode }

  func leave(_ result: TraceResult) {
    guard let last = open.popLast() else { return }
    var call = last.call
    let below = last.below
    call.completion = result.completion
    if result.completion == .reverted {
      call.output = Array(result.output.prefix(Self.outputLimit))
    }
    var path: [Call] = []
    if result.completion != .returned {
      // A call that goes on after a failed one, and fails for another reason, is the cause itself.
      let isOther =
        call.completion == .reverted && below.first?.completion == .reverted
        && below.first?.output != call.output
      path = [call] + (isOther ? [] : below)
    }
    if open.isEmpty { self.path = path } else { open[open.count - 1].below = path }
  }
}
