import ArgumentParser
import EVM
package import EthereumPrimitives
import PlumiseWire

/// `evm`: bytecode without a chain around it.
struct EVMCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evm",
    abstract: "Run bytecode, or Ethereum's state tests.",
    discussion: """
      EXAMPLE
        petals-e2e evm run --code 0x600160020160005260206000f3
        petals-e2e evm state-test Tests/TestVectors/evm/state-tests-04.jsonl.gz
      """,
    subcommands: [EVMStateTestCommand.self, EVMRunCommand.self])
}

/// `evm run`: one call of bytecode on an empty state.
struct EVMRunCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Call bytecode on an empty state.",
    discussion: """
      The code's account and its caller are all there is; the caller is rich. What
      the code uses of its gas is counted, without what a transaction costs.

      EXAMPLE
        petals-e2e evm run --code 0x600160020160005260206000f3
        petals-e2e evm run --code 0x5f5ffd --hardfork shanghai --json
      """)

  @Option(within: .bytes("the code"), help: "The code: 0x and hexadecimal digits.")
  var code: [UInt8]

  @Option(within: .bytes("the input"), help: "The call's input: 0x and hexadecimal digits.")
  var input: [UInt8] = []

  @Option(within: .evmGas, help: "The gas that it may use.")
  var gas: UInt64 = 30_000_000

  @Option(within: .amount, help: "Wei that comes with the call.")
  var value: Word = .zero

  @Option(
    help: "The rules: \(Hardfork.allCases.map(\.rawValue).joined(separator: ", ")).")
  var hardfork: Hardfork = .london

  @OptionGroup var output: OutputOptions

  func run() async throws {
    let state = SingleContract(code: code)
    let block = BlockContext(
      number: 1, timestamp: 1, gasLimit: max(gas, 30_000_000),
      difficulty: 2, chainID: PlumiseNetwork.chainID)
    let outcome = VirtualMachine(fork: hardfork).call(
      SingleContract.address, from: SingleContract.caller, value: value, input: input, gas: gas,
      on: state, in: block)
    let error = Self.error(outcome)
    let bytes = Hex.encode(outcome.output)
    output.result(
      [
        "output": .string(bytes), "gas_used": .integer(outcome.gasUsed),
        "logs": .array(outcome.logs.map(Self.json)), "error": error.map(JSON.string) ?? .null,
      ],
      text: (["output: \(bytes)", "gas used: \(outcome.gasUsed)"]
        + outcome.logs.map { "log: \(Self.json($0).text)" }
        + (error.map { ["error: \($0)".singleLine] } ?? [])).joined(separator: "\n"))
  }

  private static func error(_ outcome: CallOutcome) -> String? {
    switch outcome.completion {
    case .returned: nil
    case .reverted:
      "execution reverted" + (ABI.decodeError(outcome.output).map { ": \($0)" } ?? "")
    case .failed(let failure): failure.description
    }
  }

  private static func json(_ log: Log) -> JSON {
    [
      "address": .string(log.address.lowercaseHex),
      "topics": .array(log.topics.map { .string($0.hex) }), "data": .string(Hex.encode(log.data)),
    ]
  }
}

/// A state that holds one contract, and a caller who can pay.
private struct SingleContract: StateReader {
  static let address = Address.precompile(0xcc)
  static let caller = Address.precompile(0xca)

  let code: [UInt8]

  func account(at address: Address) -> AccountState? {
    switch address {
    case Self.address: AccountState(nonce: 1, codeHash: Keccak256.hash(code))
    case Self.caller: AccountState(balance: .max)
    default: nil
    }
  }

  func code(at address: Address, hash: Hash32) -> [UInt8] { code }
  func storage(at address: Address, slot: Word) -> Word { .zero }
  func hasStorage(at address: Address) -> Bool { false }
  func blockHash(of number: UInt64) -> Hash32 { Keccak256.hash("\(number)") }
}

extension OptionLimits where Self == WholeNumbers<UInt64> {
  /// Gas of a call; the memory that more of it buys would be the machine's own.
  fileprivate static var evmGas: Self { WholeNumbers("gas", 0...100_000_000_000) }
}

/// Bytes on the command line: 0x and hexadecimal digits.
package struct HexBytes: OptionLimits {
  private let name: String

  /// - Parameter name: what the bytes are, `the code`.
  package init(_ name: String) { self.name = name }

  package var limits: String { "" }
  package var expectation: String { "\(name) is 0x and an even number of hexadecimal digits" }

  package func value(_ text: String) -> [UInt8]? {
    do {
      return try Hex.decode(text)
    } catch {
      // What is expected says it all.
      return nil
    }
  }

  package func spelling(_ value: [UInt8]) -> String { Hex.encode(value) }
}

/// Amounts on the command line: wei in decimal digits, or hexadecimal ones behind 0x.
package struct Amounts: OptionLimits {
  package init() {}

  package var limits: String { "from 0 to 2^256 - 1" }
  package var expectation: String {
    "an amount is a whole number of wei from 0 to 2^256 - 1, decimal or with 0x"
  }

  package func value(_ text: String) -> Word? {
    do {
      return try text.hasPrefix("0x") ? Quantity.decode(text) : Word(decimal: text)
    } catch {
      // What is expected says it all.
      return nil
    }
  }

  package func spelling(_ value: Word) -> String { value.description }
}

extension OptionLimits where Self == HexBytes {
  static func bytes(_ name: String) -> Self { HexBytes(name) }
}

extension OptionLimits where Self == Amounts {
  static var amount: Self { Amounts() }
}
