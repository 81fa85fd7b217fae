import EthereumPrimitives
import PlumiseWire
import SystemErrors

/// The helpers of development chains, each under `evm_`, `anvil_` and `hardhat_`.
enum TestMethods {
  /// The namespace of a method; a few methods differ between namespaces.
  enum Prefix: String, CaseIterable {
    case evm, anvil, hardhat
  }

  static let table: [String: RPCMethod] = {
    var table: [String: RPCMethod] = [:]
    for prefix in Prefix.allCases {
      let helpers = [stateHelpers, anvilHelpers, timeHelpers(prefix)]
      for (name, method) in helpers.flatMap({ $0 }) {
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
    "setCode": RPCMethod(arguments: 2) { arguments in
      let (address, code) = (try arguments.address(0), try arguments.required(1).bytes())
      return { chain, _ in
        chain.edit(.code(address, code))
        return true
      }
    },
    "setStorageAt": RPCMethod(arguments: 3) { arguments in
      let address = try arguments.address(0)
      let slot = try StorageKey(arguments.required(1).string()).word
      let value = try arguments.required(2).hash().word
      return { chain, _ in
        guard !chain.state.isNative(address, rules: chain.rules) else {
          throw RPCFailure.refused(
            "\(address.checksummed) is a native contract, whose records no slot can change: call its "
              + "functions, or put bytecode in its place with anvil_setCode")
        }
        chain.edit(.storage(address, slot: slot, value: value))
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
        // Without forking it is a chain of its own again, as with Anvil and Hardhat.
        chain.replace(with: Chain(chain.configuration.withoutFork(), now: now))
        return true
      }
    },
    "dumpState": .plain { chain, _ in
      try requireNoFork(chain, "dumpState")
      return .hex(StateFileFormat.text(of: chain))
    },
    "setRPCUrl": setRPCUrl,
    "setRpcUrl": setRPCUrl,
    "loadState": RPCMethod(arguments: 1) { arguments in
      let text = try arguments.required(0).bytes()
      return { chain, now in
        try requireNoFork(chain, "loadState")
        do {
          let loaded = try StateFileFormat.chain(
            from: text, configuration: chain.configuration, now: now)
          chain.replace(with: loaded)
        } catch let error as FileError {
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

/// The helpers that move the chain's time and make its blocks.
extension TestMethods {
  static func timeHelpers(_ prefix: Prefix) -> [String: RPCMethod] {
    var helpers = clockHelpers.merging(miningHelpers, uniquingKeysWith: { $1 })
    // Hardhat counts in milliseconds, Anvil in seconds.
    helpers["setIntervalMining"] =
      prefix == .hardhat
      ? setIntervalMining("milliseconds", each: .milliseconds(1))
      : setIntervalMining("seconds", each: .seconds(1))
    // Under its oldest name it makes one block, and takes the block's time.
    helpers["mine"] = RPCMethod(arguments: 2) { arguments in
      try prefix == .evm && arguments.count < 2 ? mineAt(arguments) : mineMany(arguments)
    }
    // The same, and the blocks are the answer.
    helpers["mine_detailed"] = RPCMethod(arguments: 1) { arguments in
      let operation = try mineAt(arguments)
      return { chain, now in
        let first = chain.latest.number + 1
        _ = try operation(&chain, now)
        guard first <= chain.latest.number else { return [] }
        return .array(
          (first...chain.latest.number).compactMap {
            chain.history[$0]?.json(withTransactions: true)
          })
      }
    }
    return helpers
  }

  private static let clockHelpers: [String: RPCMethod] = [
    "increaseTime": RPCMethod(arguments: 1) { arguments in
      let value = try arguments.required(0)
      let seconds = try value.number("seconds", in: 0...ChainClock.latest)
      return { chain, now in
        let latest = chain.latest.header.timestamp
        let (time, overflow) = max(chain.clock.time(now: now), latest)
          .addingReportingOverflow(seconds)
        guard !overflow, time <= ChainClock.latest else { throw beyondTime(value, time: seconds) }
        chain.clock.advance(by: seconds, now: now, latest: latest)
        return .quantity(UInt64(max(0, chain.clock.offset)))
      }
    },
    "setNextBlockTimestamp": RPCMethod(arguments: 1) { arguments in
      let timestamp = try arguments.required(0).number("timestamp", in: 0...ChainClock.latest)
      return { chain, _ in
        let latest = chain.latest.header.timestamp
        guard timestamp != latest else {
          throw RPCFailure.refused(
            "Timestamp \(timestamp) is equal to the previous block's timestamp")
        }
        guard timestamp > latest else {
          throw RPCFailure.refused(
            "Timestamp \(timestamp) is lower than the previous block's timestamp \(latest)")
        }
        chain.clock.nextTimestamp = timestamp
        return nil
      }
    },
    "setTime": RPCMethod(arguments: 1) { arguments in
      let given = try arguments.required(0).number("timestamp")
      // As in Anvil: what would be after the year 33658 is in milliseconds.
      let time = given > 1_000_000_000_000 ? given / 1000 : given
      return { chain, now in
        let before = chain.clock.time(now: now)
        chain.clock.nextTimestamp = nil
        chain.clock.set(to: time, now: now)
        return .integer(time - min(time, before))
      }
    },
  ]

  private static let miningHelpers: [String: RPCMethod] = [
    "getAutomine": .plain { chain, _ in .bool(chain.mining.isAutomatic) },
    "setAutomine": RPCMethod(arguments: 1) { arguments in
      let isAutomatic = try arguments.required(0).bool()
      return { chain, _ in
        chain.mining.isAutomatic = isAutomatic
        return true
      }
    },
  ]

  private static func beyondTime(_ value: GethValue, time: UInt64) -> RPCFailure {
    value.failure(
      "\(time) seconds more would be after \(ChainClock.latest), the last second that there is")
  }

  /// - Parameter unit: what the number counts, and its name.
  private static func setIntervalMining(_ name: String, each unit: Duration) -> RPCMethod {
    let most = UInt64(MiningMode.longestInterval / unit)
    return RPCMethod(arguments: 1) { arguments in
      let count = try arguments.required(0).number(name, in: 0...most)
      return { chain, _ in
        chain.mining.interval = count == 0 ? nil : unit * Int(count)
        return true
      }
    }
  }

  /// One block, or as many as an object says, the first at a time that is given.
  private static func mineAt(_ arguments: GethArguments) throws -> ChainOperation {
    guard let first = arguments.optional(0) else { return mine(1) }
    let times = 0...ChainClock.latest
    guard case .object = first.json else {
      let timestamp = try first.number("timestamp", in: times)
      return mine(1, timestamp: timestamp == 0 ? nil : timestamp)
    }
    let fields = try first.fields(of: "MineOptions")
    for name in fields.keys.sorted() where name != "blocks" && name != "timestamp" {
      throw RPCFailure.invalidArgument(0, "MineOptions has blocks and timestamp, and no \(name)")
    }
    return mine(
      try fields["blocks"]?.number("blocks", in: counts) ?? 1,
      timestamp: try fields["timestamp"]?.number("timestamp", in: times))
  }

  /// So many blocks, a number of seconds apart.
  private static func mineMany(_ arguments: GethArguments) throws -> ChainOperation {
    if let first = arguments.optional(0), case .object = first.json {
      return try mineAt(arguments)
    }
    return mine(
      try arguments.optional(0)?.number("blocks", in: counts) ?? 1,
      apart: try arguments.optional(1)?.number("interval", in: 0...ChainClock.latest))
  }

  /// How many blocks one request may ask for.
  private static let counts = 0...ChainConfiguration.maximumBlocksPerRequest

  private static func mine(
    _ count: UInt64, apart seconds: UInt64? = nil, timestamp: UInt64? = nil
  ) -> ChainOperation {
    { chain, now in
      let most = chain.configuration.blocksPerRequest
      guard count <= most else {
        throw RPCFailure.refused("at most \(most) blocks at a time, not \(count)")
      }
      let latest = chain.latest.header.timestamp
      if let timestamp {
        guard timestamp > latest else {
          throw RPCFailure.refused(
            "Timestamp \(timestamp) is lower than previous block's timestamp \(latest)")
        }
      }
      guard count > 0 else { return "0x0" }
      if let seconds {
        let (span, overflow) = seconds.multipliedReportingOverflow(by: count)
        let start = max(latest, chain.clock.time(now: now))
        guard !overflow, span <= ChainClock.latest - min(start, ChainClock.latest) else {
          throw RPCFailure.refused(
            "\(count) blocks that are \(seconds) seconds apart would end after "
              + "\(ChainClock.latest), the last second that there is")
        }
      }
      if let timestamp { chain.clock.nextTimestamp = timestamp }
      for index in 0..<count {
        if let seconds, index > 0 {
          chain.clock.nextTimestamp = chain.latest.header.timestamp.addingSaturating(
            max(seconds, 1))
        }
        chain.mine(now: now)
      }
      return "0x0"
    }
  }
}
