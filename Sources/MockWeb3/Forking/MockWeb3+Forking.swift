import PlumiseWire

extension MockWeb3 {
  /// The operation of a request that concerns the fork itself, and needs the remote chain; nil for any
  /// other request.
  func forkOperation(_ request: RPCRequest) async throws -> ChainOperation? {
    guard let separator = request.method.firstIndex(of: "_"),
      request.method[request.method.index(after: separator)...] == "reset",
      TestMethods.Prefix(rawValue: String(request.method[..<separator])) != nil,
      let options = try ForkingOptions(GethArguments(request.params))
    else { return nil }
    let current = read { $0.configuration }
    guard let url = options.url ?? current.fork?.remote.url else {
      throw RPCFailure.refused(
        "the chain is not forked: name the chain to fork, as "
          + #"{"forking":{"jsonRpcUrl":"http://127.0.0.1:8545"}}"#)
    }
    var configuration = current.withoutFork()
    try await configuration.fork(from: url, at: options.blockNumber)
    let forked = configuration
    return { chain, now in
      guard !chain.record.isPersisted else {
        throw RPCFailure.refused(
          "\(request.method): a state file keeps this chain, and cannot keep a forked one: start the "
            + "chain without --state")
      }
      chain.replace(with: Chain(forked, now: now))
      return true
    }
  }
}

/// What `anvil_reset` and `hardhat_reset` take: `{"forking":{"jsonRpcUrl":…,"blockNumber":…}}`.
private struct ForkingOptions {
  let url: String?
  let blockNumber: UInt64?

  /// - Returns: nil when no fork is asked for.
  init?(_ arguments: GethArguments) throws {
    guard
      let forking = try arguments.optional(0)?.fields(of: "ResetOptions")["forking"]?
        .fields(of: "ForkingOptions")
    else { return nil }
    for name in forking.keys.sorted() where name != "jsonRpcUrl" && name != "blockNumber" {
      throw RPCFailure.invalidArgument(
        0, "forking has jsonRpcUrl and blockNumber, and no \(name)")
    }
    url = try forking["jsonRpcUrl"]?.string()
    blockNumber = try forking["blockNumber"]?.number("blockNumber", in: 0...UInt64(Int64.max))
  }
}

extension TestMethods {
  /// Another server of the chain that was forked.
  static let setRPCUrl = RPCMethod(arguments: 1) { arguments in
    let value = try arguments.required(0)
    let url = try value.string()
    guard url.hasPrefix("http://") || url.hasPrefix("https://"),
      URLAuthority.hasPossiblePort(in: url)
    else {
      throw value.failure("a URL begins with http:// or https://, as http://127.0.0.1:8545 does")
    }
    return { chain, _ in
      guard let fork = chain.state.fork else {
        throw RPCFailure.refused(
          "the chain is not forked: anvil_reset with forking forks one")
      }
      fork.remote.move(to: url)
      return nil
    }
  }

  /// The fork, as `anvil_nodeInfo` shows it.
  static func forkConfig(of chain: Chain) -> JSON {
    guard let remote = chain.state.fork?.remote else {
      return ["forkUrl": nil, "forkBlockNumber": nil, "forkRetryBackoff": nil]
    }
    return [
      "forkUrl": .string(remote.url), "forkBlockNumber": .integer(remote.number),
      "forkRetryBackoff": 0,
    ]
  }

  /// Refuses a state file of a forked chain.
  static func requireNoFork(_ chain: Chain, _ method: String) throws {
    guard chain.state.fork == nil else {
      throw RPCFailure.refused(
        "\(method): a forked chain has only what changed since the fork, and no state file can hold "
          + "it: use evm_snapshot")
    }
  }
}
