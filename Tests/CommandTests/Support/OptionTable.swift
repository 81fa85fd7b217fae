import PlumiseWire
import Testing
import petals_e2e

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
      subcommand.split(separator: " ").map(String.init)
        + OptionTable.calls[subcommand, default: []].filter { !$0.hasPrefix("\(option)=") }
        + ["\(option)=\(value)"]
    }
  }

  /// What each subcommand needs so that it would run, besides what has a default.
  static let calls: [String: [String]] = [
    "run": [], "up": [], "chain": [], "bench": ["--model=tiny"],
    "oracle": ["--chain-rpc=http://127.0.0.1:1", "--reporter-key-file=k"],
    "node": [
      "--model=m", "--blocks=0-1", "--key-file=k", "--oracle=http://127.0.0.1:1",
      "--chain-rpc=http://127.0.0.1:1",
    ],
    "generate": ["--model=m", "--token-ids=1"],
    "forward": ["--model=m", "--token-ids=1", "--output=o"],
    "tokenize": ["--model=m", "--ids=1"],
    // As slow as that, the longest time is not too many requests.
    "load": ["--target=http://127.0.0.1:1", "--rate=0.001"],
    "model synthesize": ["--shape=tiny", "--out=o"], "model fetch": ["a/b", "--out=o"],
    "model quantize": ["d", "--out=o"], "model inspect": ["d"],
    "wallet new": ["--out=o"], "wallet address": ["--key-file=k"],
    "wallet sign-message": ["--key-file=k", "--text=t"],
    "evm run": ["--code=0x00"], "evm state-test": ["f"],
    "wallet import": ["--key-file=k", "--out=o", "--out-password-file=p"],
  ]

  let subcommands: [String]
  let options: [Entry]

  static let ofTheCommand: Result<OptionTable, any Error> = Result {
    let dump = CommandEnding.beforeRunning(["--experimental-dump-help"])
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
