import EthereumPrimitives
import Foundation
import MockServing
import MockWeb3
import PlumiseWire

/// Raw transfers, each executed and mined in a block of its own before the next is answered.
struct ChainBench: Sendable {
  private static let transfers = 2000
  private static let senders = 16
  private static let warmUpTransfers = 12_000
  private static let manyTransfers = 100_000
  private static let keptBlocks = 34_000

  let runs: Int

  func rows() async throws -> [BenchRow] {
    var configuration = ChainConfiguration()
    while configuration.accounts.count < Self.senders {
      configuration.accounts.append(DevelopmentAccount(key: SecretKey.random()))
    }
    let messages = try Self.messages(from: configuration.accounts)
    var limits: [Double] = []
    var inProcess: [Double] = []
    var overHTTP: [RequestLoad.Outcome] = []
    var processorTime: [Double] = []
    var persisted: [RequestLoad.Outcome] = []
    let folder = URL.temporaryDirectory.appending(path: "chain-bench-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer {
      // What cannot be removed stays among the system's temporary files.
      try? FileManager.default.removeItem(at: folder)
    }
    for run in 0..<runs {
      limits.append(try await SignerRecoveryRate.measure())
      let chain = MockWeb3(configuration)
      let began = Machine.processorMicroseconds
      inProcess.append(
        try await Rate.measure(Self.transfers) {
          for message in messages.joined() {
            try Self.requireHash(await chain.respond(to: message))
          }
        })
      processorTime.append(
        (Machine.processorMicroseconds - began) / Double(Self.transfers))
      overHTTP.append(try await Self.post(messages, to: MockWeb3(configuration)))
      let file = folder.appending(path: "\(run)")
      persisted.append(
        try await Self.post(messages, to: MockWeb3(configuration, stateFile: file)))
    }
    return [
      SignerRecoveryRate.row("chain", limits),
      BenchRow("chain", "transfers, mined one by one, in process", "tx/s", inProcess),
      BenchRow("chain", "… as a share of the limit", "", zip(inProcess, limits).map { $0 / $1 }),
      BenchRow("chain", "… processor time of each", "µs", processorTime),
      BenchRow(
        "chain", "… over HTTP, \(Self.senders) connections", "tx/s", overHTTP.map(\.rate),
        requests: RequestLoad.requests(of: overHTTP)),
      BenchRow(
        "chain", "… over HTTP, as a share of it", "", zip(overHTTP, limits).map { $0.rate / $1 }),
      BenchRow(
        "chain", "… over HTTP, kept in a file", "tx/s", persisted.map(\.rate),
        requests: RequestLoad.requests(of: persisted)),
      BenchRow("chain", "… 99 % answered within", "ms", persisted.map { $0.percentile(0.99) }),
      BenchRow("chain", "start, in process", "ms", try await Self.starts(runs)),
      BenchRow(
        "chain", "start from a file of \(Self.keptBlocks) blocks", "ms",
        try Self.loads(folder.appending(path: "blocks"), runs)),
    ] + (try await Self.growth().map { [$0] } ?? [])
  }

  /// Sends transfers over HTTP, those of each account over a connection of its own.
  private static func post(
    _ messages: [[[UInt8]]], to chain: MockWeb3
  ) async throws -> RequestLoad.Outcome {
    try await chain.withServer { address in
      let requests = messages.map { own in
        own.map { RequestLoad.post($0, to: "/", host: address.host, port: address.port) }
      }
      return try await RequestLoad(requests: requests, isExpected: hasHash)
        .run(host: address.host, port: address.port)
    }
  }

  /// How long a chain takes to start from a file of many blocks, in milliseconds.
  private static func loads(_ file: URL, _ runs: Int) throws -> [Double] {
    let chain = MockWeb3()
    chain.mine(keptBlocks)
    try chain.dump(to: file)
    return try (0..<runs).map { _ in
      let began = ContinuousClock.now
      let height = try MockWeb3(stateFile: file).blockNumber
      guard height == UInt64(keptBlocks) else {
        throw CommandFailure.failed("the chain started with \(height) blocks of \(keptBlocks)")
      }
      return (ContinuousClock.now - began) / .milliseconds(1)
    }
  }

  /// How long a chain takes until it has answered its first request, in milliseconds.
  private static func starts(_ runs: Int) async throws -> [Double] {
    var times: [Double] = []
    let request = Array(#"{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}"#.utf8)
    for _ in 0..<runs {
      let began = ContinuousClock.now
      _ = await MockWeb3().respond(to: request)
      times.append((ContinuousClock.now - began) / .milliseconds(1))
    }
    return times
  }

  /// By how much the process grows with many transfers, each in a block that is kept; nil where
  /// the system does not say.
  ///
  /// The first transfers fill what is bounded (states, journal), and are not counted.
  private static func growth() async throws -> BenchRow? {
    let chain = MockWeb3()
    let account = DevelopmentAccount.standard[0]
    func send(_ nonces: Range<Int>) async throws {
      for nonce in nonces {
        try requireHash(await chain.respond(to: message(from: account, nonce: nonce)))
      }
    }
    try await send(0..<warmUpTransfers)
    guard let before = Machine.anonymousMebibytes else { return nil }
    try await send(warmUpTransfers..<(warmUpTransfers + manyTransfers))
    guard let after = Machine.anonymousMebibytes else { return nil }
    return BenchRow("chain", "growth with \(manyTransfers) transfers", "MiB", [after - before])
  }

  /// Signed transfers, for each sender those of its own in the order of their nonces.
  private static func messages(from accounts: [DevelopmentAccount]) throws -> [[[UInt8]]] {
    try accounts.prefix(senders).map { account in
      try (0..<transfers / senders).map { try message(from: account, nonce: $0) }
    }
  }

  /// The request that sends an account's transfer.
  private static func message(
    from account: DevelopmentAccount, nonce: Int
  ) throws -> [UInt8] {
    let transaction = Transaction(
      chainID: PlumiseNetwork.chainID, nonce: UInt64(nonce),
      fee: .legacy(gasPrice: 10_000_000_000), gasLimit: 21_000,
      to: try Address(bytes: [UInt8](repeating: 7, count: 20)), value: 1)
    let request: JSON = [
      "jsonrpc": "2.0", "id": .integer(nonce), "method": "eth_sendRawTransaction",
      "params": [.string(Hex.encode(transaction.signed(with: account.key).raw))],
    ]
    return request.serialized()
  }

  @Sendable private static func hasHash(_ answer: RawHTTPResponse) -> Bool {
    guard let answer = try? JSON.parse(answer.body) else { return false }
    return answer["result"]?.stringValue != nil
  }

  private static func requireHash(_ answer: [UInt8]?) throws {
    let answer = try JSON.parse(answer ?? [])
    guard answer["result"]?.stringValue != nil else {
      throw CommandFailure.failed("the chain refused a transfer: \(answer.text)")
    }
  }
}
