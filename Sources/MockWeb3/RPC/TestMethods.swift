import EthereumPrimitives
import PlumiseWire

/// The helpers of development chains, each under `evm_`, `anvil_` and `hardhat_`.
enum TestMethods {
  static let table: [String: RPCMethod] = {
    var table: [String: RPCMethod] = [:]
    for (name, method) in helpers {
      for prefix in ["evm", "anvil", "hardhat"] { table["\(prefix)_\(name)"] = method }
    }
    return table
  }()

  /// The most blocks that one request makes: a slip of the hand must not stop the chain for hours.
  private static let maximumBlocks: UInt64 = 1_000_000

  private static let helpers: [String: RPCMethod] = [
    "snapshot": .plain { chain, now in .quantity(chain.snapshot(now: now)) },
    "revert": RPCMethod(arguments: 1) { arguments in
      let id = try arguments.required(0).looseUInt64()
      return { chain, now in .bool(chain.revert(to: id, now: now)) }
    },
    "increaseTime": RPCMethod(arguments: 1) { arguments in
      let seconds = try arguments.required(0).looseUInt64()
      return { chain, now in
        chain.clock.advance(by: seconds, now: now, latest: chain.latest.header.timestamp)
        return .quantity(UInt64(max(0, chain.clock.offset)))
      }
    },
    "setNextBlockTimestamp": RPCMethod(arguments: 1) { arguments in
      let timestamp = try arguments.required(0).looseUInt64()
      return { chain, _ in
        let latest = chain.latest.header.timestamp
        guard timestamp > latest else {
          throw RPCFailure.refused(
            "timestamp \(timestamp) is not above the latest block's, \(latest)")
        }
        chain.clock.nextTimestamp = timestamp
        return nil
      }
    },
    "mine": RPCMethod(arguments: 2, mine),
    "setAutomine": RPCMethod(arguments: 1) { arguments in
      let isAutomatic = try arguments.required(0).bool()
      return { chain, _ in
        chain.mining.isAutomatic = isAutomatic
        return true
      }
    },
    "setIntervalMining": RPCMethod(arguments: 1) { arguments in
      let seconds = try arguments.required(0).looseUInt64()
      return { chain, _ in
        let clamped = Int64(clamping: seconds)
        chain.mining.interval = seconds == 0 ? nil : .seconds(clamped)
        return true
      }
    },
    "setBalance": RPCMethod(arguments: 2) { arguments in
      let (address, balance) = (try arguments.address(0), try arguments.required(1).word())
      return { chain, _ in
        chain.edit(.balance(address, balance))
        return true
      }
    },
    "setNonce": RPCMethod(arguments: 2) { arguments in
      let (address, nonce) = (try arguments.address(0), try arguments.required(1).uint64())
      return { chain, _ in
        chain.edit(.nonce(address, nonce))
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
      let depth = try arguments.required(0).looseUInt64()
      return { chain, now in
        guard chain.reorganise(depth: Int(clamping: depth), now: now) else {
          throw RPCFailure.refused("the chain cannot be reorganised \(depth) blocks deep")
        }
        return nil
      }
    },
  ]

  /// One block, or so many, a number of seconds apart.
  ///
  /// `evm_mine` takes a timestamp instead, as a number or in an object.
  @Sendable private static func mine(_ arguments: RPCArguments) throws -> ChainOperation {
    if let first = arguments.optional(0), case .object = first.json {
      let timestamp = try first.fields(of: "MineOptions")["timestamp"]?.looseUInt64()
      let blocks = try first.fields(of: "MineOptions")["blocks"]?.looseUInt64() ?? 1
      return mine(blocks, apart: nil, timestamp: timestamp)
    }
    let first = try arguments.optional(0)?.looseUInt64()
    // Nobody makes blocks by the hundred million: such a number is a time.
    if let first, first >= 100_000_000 { return mine(1, apart: nil, timestamp: first) }
    return mine(first ?? 1, apart: try arguments.optional(1)?.looseUInt64(), timestamp: nil)
  }

  private static func mine(
    _ count: UInt64, apart seconds: UInt64?, timestamp: UInt64?
  ) -> ChainOperation {
    { chain, now in
      guard count <= maximumBlocks else {
        throw RPCFailure.refused("at most \(maximumBlocks) blocks at a time, not \(count)")
      }
      if let timestamp, timestamp > chain.latest.header.timestamp {
        chain.clock.nextTimestamp = timestamp
      }
      for index in 0..<count {
        if let seconds, index > 0 {
          chain.clock.nextTimestamp = chain.latest.header.timestamp.addingUpTo(max(seconds, 1))
        }
        chain.mine(now: now)
      }
      return "0x0"
    }
  }
}
