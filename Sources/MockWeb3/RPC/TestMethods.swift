import EthereumPrimitives
import PlumiseWire

/// The helpers of development chains, each under `evm_`, `anvil_` and `hardhat_`.
enum TestMethods {
  /// Whose name a helper is called by; a few mean something else under another name.
  enum Prefix: String, CaseIterable {
    case evm, anvil, hardhat
  }

  static let table: [String: RPCMethod] = {
    var table: [String: RPCMethod] = [:]
    for prefix in Prefix.allCases {
      for (name, method) in stateHelpers.merging(timeHelpers(prefix), uniquingKeysWith: { $1 }) {
        table["\(prefix.rawValue)_\(name)"] = method
      }
    }
    return table
  }()

  private static let stateHelpers: [String: RPCMethod] = [
    "snapshot": .plain { chain, now in .quantity(chain.snapshot(now: now)) },
    "revert": RPCMethod(arguments: 1) { arguments in
      let id = try arguments.required(0).amount("snapshot")
      return { chain, now in .bool(id.exactUInt64().map { chain.revert(to: $0, now: now) } ?? false)
      }
    },
    "setBalance": RPCMethod(arguments: 2) { arguments in
      let (address, balance) = (
        try arguments.address(0), try arguments.required(1).amount("balance")
      )
      return { chain, _ in
        chain.edit(.balance(address, balance))
        return true
      }
    },
    "setNonce": RPCMethod(arguments: 2) { arguments in
      let (address, nonce) = (try arguments.address(0), try arguments.required(1).number("nonce"))
      return { chain, _ in
        chain.edit(.nonce(address, nonce))
        return true
      }
    },
    "setNextBlockBaseFeePerGas": RPCMethod(arguments: 1) { arguments in
      let fee = try arguments.required(0).number("base fee")
      return { chain, _ in
        chain.nextBaseFee = Word(fee)
        return true
      }
    },
    "dropTransaction": RPCMethod(arguments: 1) { arguments in
      let hash = try arguments.hash(0)
      return { chain, _ in chain.drop(hash).map { .hash($0.hash) } ?? .null }
    },
    "reset": RPCMethod(arguments: 1) { _ in
      { chain, now in
        chain.restart(as: Chain(chain.configuration, now: now))
        return true
      }
    },
    "dumpState": .plain { chain, _ in .hex(ChainReplay.text(of: chain)) },
    "loadState": RPCMethod(arguments: 1) { arguments in
      let text = try arguments.required(0).bytes()
      return { chain, now in
        do {
          let loaded = try ChainReplay.chain(
            from: text, configuration: chain.configuration, now: now)
          chain.restart(as: loaded)
        } catch let error as StateFileError {
          throw RPCFailure.refused("\(error)")
        }
        return true
      }
    },
    "reorg": RPCMethod(arguments: 1) { arguments in
      let depth = try arguments.required(0).number("depth")
      return { chain, now in
        guard chain.reorganise(depth: Int(clamping: depth), now: now) else {
          throw RPCFailure.refused("the chain cannot be reorganised \(depth) blocks deep")
        }
        return nil
      }
    },
  ]
}
