import EthereumPrimitives
import Foundation
import PlumiseWire

/// `eth_`: the chain as a whole, and its fees.
enum EthChainMethods {
  static let table: [String: RPCMethod] = [
    "eth_chainId": .plain { chain, _ in .quantity(chain.rules.chainID) },
    "eth_syncing": .plain { _, _ in false },
    "eth_mining": .plain { chain, _ in .bool(chain.mining.isAutomatic) },
    "eth_protocolVersion": .plain { _, _ in "0x44" },
    "eth_coinbase": .plain { chain, _ in
      .address(chain.currentRules.author(coinbase: chain.currentRules.coinbase))
    },
    "eth_accounts": .plain { chain, _ in
      .array(chain.configuration.accounts.map { .address($0.address) })
    },
    "eth_blockNumber": .plain { chain, _ in .quantity(chain.latest.number) },
    "eth_gasPrice": .plain { chain, _ in
      let baseFee = chain.latest.header.baseFeePerGas
      return .quantity(baseFee.adding(chain.configuration.suggestedTip, upTo: .max))
    },
    "eth_maxPriorityFeePerGas": .plain { chain, _ in
      .quantity(chain.configuration.suggestedTip)
    },
    "eth_feeHistory": RPCMethod(arguments: 3, feeHistory),
  ]

  /// The most blocks that geth looks back.
  private static let maximumHistory: UInt64 = 1024

  @Sendable private static func feeHistory(_ arguments: GethArguments) throws -> ChainOperation {
    let count = min(try arguments.required(0).hexOrDecimal64(), maximumHistory)
    let newest = try arguments.required(1).blockTag()
    let percentiles = try arguments.optional(2)?.array().map { value in
      guard let percentile = value.json.doubleValue else {
        throw RPCFailure.invalidArgument(2, "json: cannot unmarshal into Go value of type float64")
      }
      return percentile
    }
    try check(percentiles ?? [])
    return { chain, now in
      guard let last = chain.block(.tag(newest), now: now) else {
        var asked = ""
        if case .number(let number) = newest { asked = "\(number)" }
        throw RPCFailure.refused(
          "request beyond head block: requested \(asked), head \(chain.latest.number)")
      }
      let size = min(count, last.number + 1)
      // On a forked chain the remote one has the blocks before.
      let first = max(last.number + 1 - size, min(chain.history.first, last.number + 1))
      var blocks = (first..<max(first, last.number)).compactMap { chain.history[$0] }
      if size > 0 { blocks.append(last) }
      return FeeHistory(blocks: blocks, percentiles: percentiles).json
    }
  }
}

extension EthChainMethods {
  /// Percentiles lie between 0 and 100, each above the one before.
  private static func check(_ percentiles: [Double]) throws {
    /// As Go prints `%f`.
    func text(_ value: Double) -> String { String(format: "%f", value) }
    for (index, percentile) in percentiles.enumerated() {
      guard (0...100).contains(percentile) else {
        throw RPCFailure.refused("invalid reward percentile: \(text(percentile))")
      }
      guard index > 0, percentile <= percentiles[index - 1] else { continue }
      throw RPCFailure.refused(
        "invalid reward percentile: #\(index - 1):\(text(percentiles[index - 1])) >= "
          + "#\(index):\(text(percentile))")
    }
  }
}

/// The fees of consecutive blocks, in the form of eth_feeHistory.
private struct FeeHistory {
  let blocks: [Block]
  let percentiles: [Double]?

  var json: JSON {
    guard let first = blocks.first, let last = blocks.last else {
      return ["oldestBlock": "0x0", "gasUsedRatio": nil]
    }
    let next = BaseFee.next(
      after: last.header.baseFeePerGas, gasUsed: last.header.gasUsed,
      gasLimit: last.header.gasLimit)
    var members: [(String, JSON)] = [
      ("oldestBlock", .quantity(first.number)),
      (
        "baseFeePerGas",
        .array(blocks.map { .quantity($0.header.baseFeePerGas) } + [.quantity(next)])
      ),
      (
        "gasUsedRatio",
        .array(
          blocks.map {
            // A block that has room for nothing is as full as an empty one.
            .number(
              JSONNumber(python: Double($0.header.gasUsed) / Double(max(1, $0.header.gasLimit))))
          })
      ),
    ]
    if let percentiles, !percentiles.isEmpty {
      members.append(("reward", .array(blocks.map { .array(rewards(of: $0, percentiles)) })))
    }
    return .object(JSONObject(uniqueMembers: members))
  }

  /// The tips at some percentiles of the gas used.
  private func rewards(of block: Block, _ percentiles: [Double]) -> [JSON] {
    let tips = block.receipts
      .map { (tip: $0.effectiveGasPrice - block.header.baseFeePerGas, gas: $0.gasUsed) }
      .sorted { $0.tip < $1.tip }
    return percentiles.map { percentile in
      // Of 2⁶⁴ − 1 the nearest double is 2⁶⁴.
      let share = (Double(block.header.gasUsed) * percentile / 100).rounded(.down)
      let threshold = UInt64(exactly: share) ?? .max
      var sum: UInt64 = 0
      for entry in tips {
        sum += entry.gas
        if sum >= threshold { return .quantity(entry.tip) }
      }
      return .quantity(tips.last?.tip ?? .zero)
    }
  }
}

/// `eth_`: accounts.
enum EthStateMethods {
  static let table: [String: RPCMethod] = [
    "eth_getBalance": RPCMethod(arguments: 2) { arguments in
      let (address, block) = (try arguments.address(0), try arguments.block(1))
      return { chain, now in .quantity(try chain.view(block, now: now).state[address].balance) }
    },
    "eth_getTransactionCount": RPCMethod(arguments: 2) { arguments in
      let (address, block) = (try arguments.address(0), try arguments.block(1))
      return { chain, now in
        if block == .tag(.pending) {
          return .quantity(chain.pool.nextNonce(of: address, state: chain.state))
        }
        return .quantity(try chain.view(block, now: now).state[address].nonce)
      }
    },
    "eth_getCode": RPCMethod(arguments: 2) { arguments in
      let (address, block) = (try arguments.address(0), try arguments.block(1))
      return { chain, now in .hex(try chain.view(block, now: now).state[address].code) }
    },
    "eth_getStorageAt": RPCMethod(arguments: 3) { arguments in
      let address = try arguments.address(0)
      let slot = try arguments.required(1).string()
      let block = try arguments.block(2)
      return { chain, now in
        let state = try chain.view(block, now: now).state
        let key: StorageKey
        do { key = try StorageKey(slot) } catch let failure as RPCFailure {
          throw RPCFailure.refused("unable to decode storage key: \(failure.message)")
        }
        let value = state.visibleStorage(at: address, slot: key.word, rules: chain.rules)
        return .hash(Hash32(word: value))
      }
    },
    "eth_getProof": RPCMethod(arguments: 3, StorageProof.answer),
  ]
}

/// `web3_`, `net_` and `rpc_`: the client and its network.
enum NetMethods {
  static let table: [String: RPCMethod] = [
    "web3_clientVersion": .plain { _, _ in "PlumiseMockWeb3/v1.13.15-stable/swift" },
    "web3_sha3": RPCMethod(arguments: 1) { arguments in
      let hash = Keccak256.hash(try arguments.required(0).bytes())
      return { _, _ in .string(hash.hex) }
    },
    "net_version": .plain { chain, _ in .string("\(chain.rules.chainID)") },
    "net_listening": .plain { _, _ in true },
    "net_peerCount": .plain { _, _ in "0x0" },
    "rpc_modules": .plain { _, _ in
      .object(
        JSONObject(
          uniqueMembers: RPCMethod.namespaces.sorted().map { ($0, JSON.string("1.0")) }))
    },
  ]
}
