import PlumiseWire
import Subprocess
import TestSupport
import TestVectors
import Testing
import petals_e2e

@Suite("Numbers on the command line", .timeLimit(.minutes(5)))
struct NumberOptionTests {
  private static func table() throws -> OptionTable { try OptionTable.ofTheCommand.get() }

  @Test("Every subcommand has a call that the driver can vary")
  func calls() throws {
    let table = try Self.table()
    #expect(Set(table.subcommands) == Set(OptionTable.calls.keys))
    #expect(table.options.count > 80)
    for (subcommand, call) in OptionTable.calls {
      let arguments = subcommand.split(separator: " ").map(String.init) + call
      #expect(CommandResult.beforeRunning(arguments)?.text == nil, "\(subcommand)")
    }
  }

  @Test("Every option takes an extreme value, or refuses it by its name and says what it takes")
  func extremes() throws {
    for entry in try Self.table().options {
      for value in ExtremeNumbers.few {
        guard let ending = CommandResult.beforeRunning(entry.call(value)) else { continue }
        expectRefusal(ending, of: entry, value)
      }
    }
  }

  @Test("Every kind of number is read from every power of two and its neighbours, or refused")
  func kinds() {
    for text in ExtremeNumbers.all {
      expect(WholeNumbers("a number", 0...65_535), text, Int(text))
      expect(WholeNumbers("a number", Int.min...Int.max), text, Int(text))
      expect(WholeNumbers("a number", 0...UInt64.max), text, UInt64(text))
      expect(WholeNumbers<UInt64>("a number", 1...(UInt64.max / 2 - 36)), text, UInt64(text))
      expect(RealNumbers<Float>("a number", 0...100), text, Float(text))
      expect(RealNumbers<Float>("a number", above: 0, upTo: 1), text, Float(text))
      expect(RealNumbers<Double>("a number", above: 0, upTo: 100_000), text, Double(text))
      for times in [Times("a time", from: 0.001, orZero: true), Times("a time", from: 1)] {
        if let time = times.value(text) {
          #expect((.zero ... .seconds(31_536_000)).contains(time.duration), "\(text)")
        }
      }
      let isIndex = Int(text).map { (0...9999).contains($0) } ?? false
      // Digits alone: a sign would divide the two ends.
      let isEnd = isIndex && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
      #expect((BlockRanges().value("0-\(text)") != nil) == isEnd, "\(text)")
      let isToken = Int32(text).map { $0 >= 0 } ?? false
      #expect((TokenIDLists().value("1,\(text)") != nil) == isToken, "\(text)")
      let isPort = Int(text).map { (1...65_535).contains($0) } ?? false
      #expect((PeerLists().value("a:\(text)") != nil) == isPort, "\(text)")
      let url = ServiceURLs().value("http://a:\(text)")
      #expect(url == nil || isPort, "\(text)")
    }
  }

  /// A text gives the number that its type reads, if the limits have it, and nothing else.
  private func expect<Limits: OptionLimits>(
    _ limits: Limits, _ text: String, _ number: Limits.Value?
  ) where Limits.Value: Equatable {
    let value = limits.value(text)
    #expect(value == nil || value == number, "\(text): \(limits.expectation)")
    if number == nil { #expect(value == nil, "\(text): \(limits.expectation)") }
  }

  private func expectRefusal(_ ending: CommandResult, of entry: OptionTable.Entry, _ value: String)
  {
    let line = ending.text
    #expect(ending.exitCode == 2, "\(entry) \(value): \(line)")
    #expect(!line.contains { $0.isNewline }, "\(entry) \(value): \(line)")
    #expect(line.contains(entry.option), "\(entry) \(value): \(line)")
    guard let words = line.firstRange(of: "is invalid for '\(entry.option) <") else { return }
    let reason = line[words.upperBound...].drop { $0 != "'" }.dropFirst()
      .drop { $0 == ":" || $0 == " " }
    #expect(!reason.hasPrefix("(see"), "\(entry) \(value): what is expected? \(line)")
  }

  /// The limits that an option names.
  private struct Limits {
    let least: String
    let takesLeast: Bool
    let most: String
  }

  /// The limits of an option that takes a number; nil for any other.
  private static func limits(_ entry: OptionTable.Entry) -> Limits? {
    let pattern =
      /(?:is a (?:whole )?number|number of seconds) (from|above) (\S+?)(?:, up)? to (\S+) \(see/
    guard let line = CommandResult.beforeRunning(entry.call("nan"))?.text,
      let found = line.firstMatch(of: pattern)
    else { return nil }
    return Limits(
      least: String(found.2), takesLeast: found.1 == "from", most: String(found.3))
  }

  @Test("The limits that an option names are those that it has, and its help has them too")
  func limits() async throws {
    var count = 0
    for entry in try Self.table().options {
      guard let limits = Self.limits(entry) else { continue }
      count += 1
      #expect(CommandResult.beforeRunning(entry.call(limits.most))?.text == nil, "\(entry)")
      let takesLeast = CommandResult.beforeRunning(entry.call(limits.least)) == nil
      #expect(takesLeast == limits.takesLeast, "\(entry)")
      for beyond in try Self.beyond(limits) {
        #expect(CommandResult.beforeRunning(entry.call(beyond)) != nil, "\(entry) \(beyond)")
      }
    }
    #expect(count >= 25)
  }

  /// A number below the least and one above the greatest, of either kind.
  private static func beyond(_ limits: Limits) throws -> [String] {
    if let least = Int128(limits.least), let most = Int128(limits.most) {
      return ["\(least - 1)", "\(most + 1)", "\(most).5"]
    }
    let (least, most) = (try #require(Double(limits.least)), try #require(Double(limits.most)))
    return ["\(least - 0.0005)", "\(most * 1.001)"]
  }

  @Test("The program itself refuses a number beyond 256 bits, with one line and status 2")
  func program() async throws {
    let numbers = try Self.table().options.filter { Self.limits($0) != nil }
    // One subcommand's options are read like another's: each name once.
    let each = Dictionary(grouping: numbers, by: \.option).values.compactMap(\.first)
    for entry in each {
      for value in [PowersOfTwo.around(256)[2], "-1e308", "nan"] {
        try await Command.run(entry.call(value)).expectRefusal(entry.option)
      }
      // A negative number behind a blank begins like an option.
      var call = entry.call("")
      call.removeLast()
      try await Command.run(call + [entry.option, "-1"]).expectRefusal(entry.option, "-1")
    }
  }

  private static let seed = "\(UInt64.max)"

  @Test(
    "A service runs with the greatest and the least numbers that it takes",
    arguments: [
      ["chain", "--chain-id", "\(UInt64.max / 2 - 36)", "--block-time", "31536000"],
      ["chain", "--chain-id", "1", "--block-time", "0.001"],
      ["oracle", "--max-age", "31536000", "--fault-seed", seed, "--reports-per-minute", "1000000"],
      ["oracle", "--max-age", "0.001", "--admin-port", "0", "--reports-per-minute", "1"],
    ])
  func services(_ arguments: [String]) async throws {
    let result = try await Command.withService(arguments + ["--port", "0", "--json"]) { service in
      _ = try await service.url()
      try service.send(.terminate)
    }
    #expect(result.status == .exited(0), "\(result.errors)")
  }

  @Test("A node reports at the longest interval that it takes")
  func reportInterval() async throws {
    try await withTemporaryFolder { folder in
      let key = try folder.write("key", Array((WalletTests.key + "\n").utf8))
      let node = [
        "node", "--model", GenerateTests.tiny, "--blocks", "0-23", "--port", "0", "--key-file", key,
        "--oracle", "http://127.0.0.1:65535", "--report-interval", "31536000", "--json",
      ]
      let result = try await Command.withService(node) { service in
        _ = try await service.url()
        try service.send(.terminate)
      }
      #expect(result.status == .exited(0), "\(result.errors)")
    }
  }

  @Test(
    "A generation takes the greatest and the least numbers of its sampling",
    arguments: [["100", "2e-38", "100"], ["0.000001", "1", "1e-38"]])
  func sampling(_ values: [String]) async throws {
    let result = try await Command.run(
      "generate", "--model", GenerateTests.tiny, "--token-ids", "0,511", "--max-new-tokens", "2",
      "--temperature", values[0], "--top-p", values[1], "--repetition-penalty", values[2], "--seed",
      Self.seed, "--json")
    #expect(result.status == .exited(0), "\(result.errors)")
    try await Command.run(
      "generate", "--model", GenerateTests.tiny, "--token-ids", "0", "--max-new-tokens",
      "\(Int32.max)"
    ).expectRefusal("the model allows 2048")
  }

  @Test("A load sends its one request at the slowest rate there is")
  func slowestRate() async throws {
    _ = try await Command.withService(["chain", "--port", "0", "--json"]) { service in
      let url = try await service.url()
      let result = try await Command.run(
        "load", "--target", url, "--rate", "5e-324", "--duration", "31536000", "--json")
      #expect(result.status == .exited(0), "\(result.errors)")
      #expect(try result.json()["succeeded"] == 1)
      try service.send(.terminate)
    }
  }

  @Test(
    "A URL's port is from 1 to 65535, wherever a URL is taken",
    arguments: ["0", "65536", "99999", "4294967376", "18446744073709551696", "-1", "+80", "8o", ""])
  func ports(_ port: String) throws {
    let options = try Self.table().options.filter { entry in
      CommandResult.beforeRunning(entry.call("ftp://127.0.0.1"))?.text.contains("URL") == true
    }
    #expect(options.count >= 6)
    for entry in options {
      for host in ["127.0.0.1", "[::1]", "a@b.example"] {
        let ending = CommandResult.beforeRunning(entry.call("http://\(host):\(port)/"))
        #expect(ending?.text.contains("a port from 1 to 65535") == true, "\(entry) \(host)")
      }
      let ending = CommandResult.beforeRunning(entry.call("http://[::1]:65535/"))
      #expect(ending?.text == nil, "\(entry)")
    }
  }
}

/// Every option of every subcommand, as the command's own parser describes them: an option that is
/// new is here without anybody's doing.
struct OptionTable: Sendable {
  /// An option of a subcommand.
  struct Entry: Sendable, Hashable, CustomTestStringConvertible {
    /// `model synthesize`.
    let subcommand: String
    /// `--seed`.
    let option: String

    var testDescription: String { "\(subcommand) \(option)" }

    /// The arguments of a call that the command would run, but for this option's value.
    func call(_ value: String) -> [String] {
      let others = OptionTable.others[option, default: ([], [])]
      return subcommand.split(separator: " ").map(String.init)
        + OptionTable.calls[subcommand, default: []].filter { argument in
          !argument.hasPrefix("\(option)=") && !others.without.contains(argument)
        }
        + others.with + ["\(option)=\(value)"]
    }
  }

  /// What an option takes the place of, and what it needs beside it.
  static let others: [String: (without: [String], with: [String])] = [
    // The two name seeds in one way or the other.
    "--seeds": (["--seed=1"], []),
    "--pipeline-oracle": (["--draft=d"], []),
    "--memory-mb": (["--blocks=0-1"], ["--num-blocks=auto", "--swarm=\(swarm)"]),
  ]

  private static let swarm =
    "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWGtqgWSLV7YCsgUxcpdJnMVPZXTSUZrv2qVAcLJozFpbf"

  /// What each subcommand needs so that it would run, besides what has a default.
  static let calls: [String: [String]] = [
    "run": [], "up": ["--network=agents", "--nodes=256"], "chain": [], "bench": ["--model=tiny"],
    "scenario": ["--seed=1"],
    "oracle": [
      "--chain-rpc=http://127.0.0.1:1", "--reporter-key-file=k", "--dialect=deployed",
    ],
    "gateway": ["--oracle=http://127.0.0.1:1"],
    "node": [
      "--model=m", "--blocks=0-1", "--key-file=k", "--oracle=http://127.0.0.1:1",
      "--chain-rpc=http://127.0.0.1:1", "--http-port=0", "--draft=d",
    ],
    "generate": ["--model=m", "--token-ids=1", "--draft=d"],
    "forward": ["--model=m", "--token-ids=1", "--output=o"],
    "tokenize": ["--model=m", "--ids=1"],
    // As slow as that, the longest time is not too many requests.
    "load": ["--target=http://127.0.0.1:1", "--rate=0.001"],
    "report": ["a", "b"],
    "model synthesize": ["--shape=tiny", "--out=o"], "model fetch": ["a/b", "--out=o"],
    "model quantize": ["d", "--out=o"], "model inspect": ["d"],
    "wallet new": ["--out=o"], "wallet address": ["--key-file=k"],
    "wallet sign-message": ["--key-file=k", "--text=t"],
    "swarm bootstrap": [],
    "swarm status": [
      "--model=m",
      "--swarm=\(swarm)",
    ],
    "evm run": ["--code=0x00"], "evm state-test": ["f"],
    "wallet import": ["--key-file=k", "--out=o", "--out-password-file=p"],
  ]

  let subcommands: [String]
  let options: [Entry]

  static let ofTheCommand: Result<OptionTable, any Error> = Result {
    let dump = CommandResult.beforeRunning(["--experimental-dump-help"])
    let root = try #require(JSON.parse(dump?.text ?? "")["command"])
    var table = (subcommands: [String](), options: [Entry]())
    try collect(root, [], into: &table)
    return OptionTable(subcommands: table.subcommands, options: table.options)
  }

  private static func collect(
    _ command: JSON, _ path: [String], into table: inout (subcommands: [String], options: [Entry])
  ) throws {
    let children = command["subcommands"]?.arrayValue ?? []
    for child in children {
      let name = try #require(child["commandName"]?.stringValue)
      if name != "help" { try collect(child, path + [name], into: &table) }
    }
    guard children.isEmpty else { return }
    let subcommand = path.joined(separator: " ")
    table.subcommands.append(subcommand)
    for argument in command["arguments"]?.arrayValue ?? []
    where argument["kind"]?.stringValue == "option" {
      let name = try #require(argument["preferredName"]?["name"]?.stringValue)
      table.options.append(Entry(subcommand: subcommand, option: "--\(name)"))
    }
  }
}

/// Numbers at and beyond the ends of every type, as text.
enum ExtremeNumbers {
  /// One of each kind.
  static let few =
    [
      "", "0", "1", "-1", "-0", "+1", " 1", "1.5", "-0.5", "0x10", "1e3", "1e308", "-1e308",
      "5e-324", "nan", "inf", "-inf", "-", "0-0", "\u{0661}", "1\u{301}",
    ]
    + [16, 31, 63, 64, 128, 256].map { PowersOfTwo.around($0)[1] }
    + ["-\(PowersOfTwo.around(256)[1])"]

  /// Those and more, and every power of two up to 2²⁵⁶ with its neighbours, of both signs.
  static let all =
    few
    + [
      "1 ", "01", "1_000", "1e309", "1e-308", "1e-400", "0.0000001", "NaN", "-nan",
      "infinity", "1e", "e1", "--1", "+", ".", "\u{FF11}", "65535", "65536",
      String(repeating: "9", count: 400),
    ]
    + (0...256).flatMap(PowersOfTwo.around).flatMap { [$0, "-\($0)"] }
}
