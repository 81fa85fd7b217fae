import EVM
import EthereumPrimitives
import PlumiseWire

/// The helpers that Anvil has besides: accounts without keys, and settings of the blocks to come.
extension TestMethods {
  static let anvilHelpers = impersonationHelpers.merging(blockHelpers) { $1 }
    .merging(poolHelpers) { $1 }

  private static let impersonationHelpers: [String: RPCMethod] = [
    "impersonateAccount": RPCMethod(arguments: 1) { arguments in
      let address = try arguments.address(0)
      return { chain, _ in
        chain.impersonation.start(address)
        return true
      }
    },
    "stopImpersonatingAccount": RPCMethod(arguments: 1) { arguments in
      let address = try arguments.address(0)
      return { chain, _ in
        chain.impersonation.stop(address)
        return true
      }
    },
    "autoImpersonateAccount": RPCMethod(arguments: 1) { arguments in
      let isAutomatic = try arguments.required(0).bool()
      return { chain, _ in
        chain.impersonation.isAutomatic = isAutomatic
        return true
      }
    },
  ]

  private static let blockHelpers: [String: RPCMethod] = [
    "setCoinbase": RPCMethod(arguments: 1) { arguments in
      let address = try arguments.address(0)
      return { chain, _ in
        chain.blockSettings.coinbase = address
        return true
      }
    },
    "setBlockGasLimit": RPCMethod(arguments: 1) { arguments in
      let limit = try arguments.required(0).number("gas limit", in: 5000...UInt64(Int64.max))
      return { chain, _ in
        chain.blockSettings.gasLimit = limit
        return true
      }
    },
    "setBlockTimestampInterval": RPCMethod(arguments: 1) { arguments in
      let seconds = try arguments.required(0).number("seconds", in: 0...ChainClock.latest)
      return { chain, _ in
        chain.blockSettings.timestampInterval = seconds
        return true
      }
    },
    "removeBlockTimestampInterval": .plain { chain, _ in
      defer { chain.blockSettings.timestampInterval = nil }
      return .bool(chain.blockSettings.timestampInterval != nil)
    },
    "rollback": RPCMethod(arguments: 1) { arguments in
      let depth = try arguments.optional(0)?.number("depth") ?? 1
      return { chain, _ in
        guard chain.rollBack(depth: Int(clamping: depth)) else {
          throw RPCFailure.refused("the chain cannot be rolled back \(depth) blocks")
        }
        return nil
      }
    },
    "nodeInfo": .plain { chain, _ in
      let header = chain.latest.header
      return [
        "currentBlockNumber": .quantity(header.number),
        "currentBlockTimestamp": .integer(header.timestamp),
        "currentBlockHash": .hash(chain.latest.hash),
        "hardFork": .string(chain.rules.hardfork.rawValue), "transactionOrder": "fees",
        "environment": [
          "baseFee": .quantity(header.baseFeePerGas), "chainId": .integer(chain.rules.chainID),
          "gasLimit": .quantity(chain.currentRules.blockGasLimit),
          "gasPrice": .quantity(
            header.baseFeePerGas.adding(chain.configuration.suggestedTip, upTo: .max)),
        ],
        "forkConfig": forkConfig(of: chain),
      ]
    },
  ]

  private static let poolHelpers: [String: RPCMethod] = [
    "setLoggingEnabled": RPCMethod(arguments: 1) { arguments in
      let isEnabled = try arguments.required(0).bool()
      return { chain, _ in
        chain.isLoggingEnabled = isEnabled
        return true
      }
    },
    "dropAllTransactions": .plain { chain, _ in
      for sent in chain.pool.transactions { chain.drop(sent.hash) }
      return nil
    },
    "removePoolTransactions": RPCMethod(arguments: 1) { arguments in
      let sender = try arguments.address(0)
      return { chain, _ in
        for sent in chain.pool.transactions where sent.sender == sender { chain.drop(sent.hash) }
        return nil
      }
    },
  ]
}
