public import EthereumPrimitives
import PlumiseWire

/// Reasons of reverted transactions.
extension EthereumClient {
  /// Returns the reason why a transaction's call was reverted, in the program's words if it gave any.
  ///
  /// A receipt says only that it was. The same call, with the same gas, is run again by
  /// eth_call: on the state after the transaction's block, as ethers and Hardhat do, and if it goes
  /// through there on the state before it, since a later transaction of the block may have removed
  /// the reason.
  /// - Parameters:
  ///   - receipt: The transaction's receipt: sender, recipient and block.
  ///   - data: The call's input.
  ///   - value: The call's value, in wei.
  ///   - gasLimit: The call's gas limit, which may have been the reason.
  /// - Returns: Nil when the call succeeds now, or the chain has pruned the states, or does not
  ///   answer.
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
      } catch let error as ChainError {
        if let reason = error.revertReason { return reason }
      }
    }
    return nil
  }

  /// Returns the reason why a transaction's call was reverted; its input is read from the chain.
  /// - Returns: Nil when the chain gives no reason.
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
    } catch is ChainError {
      return nil
    }
    return try await revertReason(
      of: receipt, data: sent.data, value: sent.value, gasLimit: sent.gasLimit)
  }
}

extension ChainError {
  /// What the answer to a call says about its failure; nil when it says nothing about the call.
  fileprivate var revertReason: String? {
    if code == .reverted { return reason ?? "the program gave no reason" }
    // Chains other than go-ethereum have codes of their own, and words that are alike.
    guard code == .refused, let failure else { return nil }
    return RevertData.bytes(in: failure.data).flatMap(RevertData.reason)
      ?? failure.executionMessage
  }
}

extension RPCFailure {
  /// The message, when it is about what the call did, and not about the state it was to run on.
  fileprivate var executionMessage: String? {
    let words = message.lowercased()
    let isAboutTheCall = ["revert", "out of gas", "invalid opcode", "stack", "invalid jump"]
      .contains { words.contains($0) }
    return isAboutTheCall ? message : nil
  }
}

/// What a program reverted with.
enum RevertData {
  /// The bytes in an error's data; nil when there are none that can be read.
  ///
  /// go-ethereum, Anvil and Erigon give them as digits, Hardhat and Ganache in an object, Nethermind
  /// and OpenEthereum after a word.
  static func bytes(in data: JSON?) -> [UInt8]? {
    if let text = data?.stringValue {
      let digits = text.split(separator: " ").last ?? ""
      // What is no byte string was not meant as one.
      return try? Hex.decode(digits)
    }
    return data?.objectValue == nil ? nil : bytes(in: data?["data"] ?? data?["result"])
  }

  /// What the bytes say: a reason, a panic of Solidity's, or an error that the program defines.
  /// - Returns: Nil for no bytes.
  static func reason(_ bytes: [UInt8]) -> String? {
    if bytes.isEmpty { return nil }
    if let reason = ABI.decodeError(bytes) { return reason }
    if bytes.starts(with: ABI.selector("Panic(uint256)")),
      case .uint(let code)? = try? ABI.decode([.uint], from: bytes.dropFirst(4)).first
    {
      // Bytes that do not decode are those of an error with the same selector.
      let name = code.exactUInt64().flatMap { panics[$0] }
      return "panic \(Quantity.encode(code))" + (name.map { ": \($0)" } ?? "")
    }
    let shown = Hex.encode(bytes.prefix(68))
    return "error \(shown)\(bytes.count > 68 ? "…" : "")"
  }

  /// The Solidity documentation, "Panic via assert and Error via require".
  private static let panics: [UInt64: String] = [
    0x01: "an assertion failed", 0x11: "arithmetic overflow", 0x12: "division by zero",
    0x21: "no such value of the enumeration", 0x22: "a damaged byte array",
    0x31: "pop of an empty array", 0x32: "index outside the array", 0x41: "too much memory",
    0x51: "a call of no function",
  ]
}
