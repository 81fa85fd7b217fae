import EthereumPrimitives
import PlumiseWire

/// `eth_`: the chain as a whole, and its fees.
enum EthChainMethods {
  static let table: [String: RPCMethod] = [
    "eth_chainId": .plain { chain, _ in .quantity(chain.rules.chainID) },
    "eth_syncing": .plain { _, _ in false },
    "eth_mining": .plain { chain, _ in .bool(chain.mining.isAutomatic) },
    "eth_protocolVersion": .plain { _, _ in "0x44" },
    "eth_coinbase": .plain { chain, _ in .address(chain.rules.coinbase) },
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

  @Sendable private static func feeHistory(_ arguments: RPCArguments) throws -> ChainOperation {
    let count = min(try arguments.required(0).looseUInt64(), maximumHistory)
    let newest = try arguments.required(1).blockTag()
    let percentiles = try arguments.optional(2)?.array().map { value in
      guard let percentile = value.json.doubleValue else {
        throw RPCFailure.invalidArgument(2, "json: cannot unmarshal into Go value of type float64")
      }
      return percentile
    }
    if let bad = percentiles?.first(where: { !(0...100).contains($0) }) {
      throw RPCFailure.refused("invalid reward percentile: \(bad)")
    }
    return { chain, now in
      guard let last = chain.block(.tag(newest), now: now) else {
        throw RPCFailure.refused("request beyond head block")
      }
      let size = min(count, last.number + 1)
      let first = last.number + 1 - size
      var blocks = (first..<max(first, last.number)).compactMap { chain.history[$0] }
      if size > 0 { blocks.append(last) }
      return FeeHistory(blocks: blocks, percentiles: percentiles).json
    }
  }
}

/// The fees of consecutive blocks, in the form of eth_feeHistory.
private struct FeeHistory {
  let blocks: [Block]
  let percentiles: [Double]?

  var json: JSON {
    guard let first = blocks.first, let last = blocks.last else {
      return ["oldestBlock": "0x0", "gasUsedRatio": .array([])]
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
            .number(JSONNumber(python: Double($0.header.gasUsed) / Double($0.header.gasLimit)))
          })
      ),
    ]
    if let percentiles {
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
      let threshold = Double(block.header.gasUsed) * percentile / 100
      var sum: UInt64 = 0
      for entry in tips {
        sum += entry.gas
        if Double(sum) >= threshold { return .quantity(entry.tip) }
      }
      return .quantity(tips.last?.tip ?? .zero)
    }
  }
}
