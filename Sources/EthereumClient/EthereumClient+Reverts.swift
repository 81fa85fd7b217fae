public import EthereumPrimitives
import PlumiseWire

/// Why a transaction did not go through.
extension EthereumClient {
  /// Why the call of a transaction was reverted, in the program's own words where it gave some.
  ///
  /// A receipt says only that it was. The same call, with the same gas, is run again without a
  /// trace: on the state after the transaction's block, as ethers and Hardhat do, and if it goes
  /// through there on the state before it, since a later transaction of the block may have removed
  /// the reason.
  /// - Parameters:
  ///   - receipt: Says who called whom, and in which block.
  ///   - data: The call's input.
  ///   - value: Wei that went with it.
  ///   - gasLimit: Gas that it was given, of which it may have run out.
  /// - Returns: Nil when the call goes through now, or the chain has the states no more, or no
  ///   answer comes.
  /// - Throws: `CancellationError`.
  public func revertReason(
    of receipt: Receipt, data: [UInt8], value: Word = .zero, gasLimit: UInt64
  ) async throws -> String? {
    guard let recipient = receipt.to else { return nil }
    var blocks = [BlockSelector.number(receipt.blockNumber)]
    if receipt.blockNumber > 0 { blocks.append(.number(receipt.blockNumber - 1)) }
    for block in blocks {
      do {
        _ = try await call(
          to: recipient, data: data, from: receipt.from, value: value, gasLimit: gasLimit, at: block
        )
      } catch let error as EthereumClientError {
        if let words = error.revertWords { return words }
      }
    }
    return nil
  }

  /// Why the call of a transaction was reverted; what it called with is asked of the chain.
  /// - Returns: Nil when the chain does not tell.
  /// - Throws: `CancellationError`.
  public func revertReason(of receipt: Receipt) async throws -> String? {
    let hash = JSON.string(receipt.transactionHash.hex)
    let sent: (data: [UInt8], value: Word, gasLimit: UInt64)
    do {
      sent = try await ask("eth_getTransactionByHash", [hash]) { answer in
        (
          try answer["input"].bytes(), try answer["value"].word(), try answer["gas"].uint64()
        )
      }
    } catch is EthereumClientError {
      return nil
    }
    return try await revertReason(
      of: receipt, data: sent.data, value: sent.value, gasLimit: sent.gasLimit)
  }
}

extension EthereumClientError {
  /// What the answer to a call says about its failure; nil when it says nothing about the call.
  fileprivate var revertWords: String? {
    switch self {
    case .reverted(let reason, _): reason ?? "the program gave no reason"
    // Chains other than go-ethereum have codes of their own, and words that are alike.
    case .refused(_, let failure):
      RevertData.bytes(in: failure.data).flatMap(RevertData.words) ?? failure.wordsAboutTheCall
    case .outage, .timedOut, .malformedAnswer: nil
    }
  }
}

extension RPCFailure {
  /// The message, when it is about what the call did, and not about the state it was to run on.
  fileprivate var wordsAboutTheCall: String? {
    let words = message.lowercased()
    let isAboutTheCall = ["revert", "out of gas", "invalid opcode", "stack", "invalid jump"]
      .contains { words.contains($0) }
    return isAboutTheCall ? message : nil
  }
}
