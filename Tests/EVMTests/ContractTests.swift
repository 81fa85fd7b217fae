import EVM
import EVMConformance
import EthereumPrimitives
import Foundation
import PlumiseWire
import TestVectors
import Testing

@Suite("Plumise's contracts", .timeLimit(.minutes(5)))
struct PlumiseContractTests {
  static let names = ["AgentRegistry", "ChallengeManager", "InferencePayment"]

  private static let contracts: [JSON] = {
    do {
      let json = try JSON.parse(
        [UInt8](Data(contentsOf: TestVectors.evm.appending(path: "plumise-contracts.json"))))
      return json["contracts"]?.arrayValue ?? []
    } catch { fatalError("plumise-contracts.json cannot be read: \(error)") }
  }()

  /// What a call of the file says of itself.
  private struct Call {
    let json: JSON

    func text(_ key: String) throws -> String { try #require(json[key]?.stringValue, "\(key)") }
    func word(_ key: String) throws -> Word { try Quantity.decode(try text(key)) }
    func integer(_ key: String) throws -> UInt64 { try #require(try word(key).exactUInt64()) }

    func logs() throws -> [Log] {
      try #require(json["logs"]?.arrayValue).map { log in
        Log(
          address: try Address(try #require(log["address"]?.stringValue)),
          topics: try #require(log["topics"]?.arrayValue).map {
            try Hash32(try #require($0.stringValue))
          }, data: try Hex.decode(try #require(log["data"]?.stringValue)))
      }
    }
  }

  private func run(
    _ call: Call, input: String, to: Address?, on state: inout MapState
  ) throws -> TransactionOutcome {
    let sender = try Address(try call.text("sender"))
    let nonce = try call.integer("nonce")
    var account = state.accounts[sender] ?? .init(AccountState())
    account.account.nonce = nonce
    account.account.balance = Word(1) << 100
    state.accounts[sender] = account
    // Prices do not matter here: nobody is paid, nothing is burnt.
    let transaction = Transaction(
      chainID: 41_956, nonce: nonce, fee: .legacy(gasPrice: 0),
      gasLimit: try call.integer("gasLimit"), to: to, value: try call.word("value"),
      data: try Hex.decode(try call.text(input)))
    let block = BlockContext(
      number: try call.integer("blockNumber"), timestamp: 1_770_000_000, chainID: 41_956)
    let outcome = try VirtualMachine(fork: .paris).execute(
      transaction, from: sender, on: state, in: block)
    state.apply(outcome.effects)
    return outcome
  }

  @Test("Creation and later calls use the gas and emit the events of the chain", arguments: names)
  func creation(_ name: String) throws {
    let json = try #require(Self.contracts.first { $0["contract"]?.stringValue == name })
    let contract = Call(json: json)
    var state = MapState()
    let outcome = try run(contract, input: "creationInput", to: nil, on: &state)
    #expect(outcome.completion == .returned)
    let created = try #require(outcome.created)
    #expect(created.lowercaseHex == (try contract.text("deployedAddress")))
    #expect(outcome.gasUsed == (try contract.integer("gasUsed")))
    #expect(outcome.logs == (try contract.logs()))
    let entry = try #require(state.accounts[created])
    #expect(entry.account.codeHash.hex == (try contract.text("runtimeCodeHash")))
    #expect(entry.code.count == json["runtimeCodeLength"]?.integerValue.map(Int.init))
    for later in json["laterCalls"]?.arrayValue ?? [] {
      let call = Call(json: later)
      let outcome = try run(call, input: "input", to: created, on: &state)
      #expect(outcome.completion == .returned)
      #expect(outcome.gasUsed == (try call.integer("gasUsed")))
      #expect(outcome.logs == (try call.logs()))
    }
  }

  @Test("No contract of the golden data is left out, and one of them is called later")
  func everyContract() {
    #expect(Set(Self.contracts.compactMap { $0["contract"]?.stringValue }) == Set(Self.names))
    #expect(
      Self.contracts.reduce(0) { $0 + ($1["laterCalls"]?.arrayValue?.count ?? 0) } == 1)
  }

  @Test("Under Shanghai's rules the creation costs more than the chain recorded")
  func shanghai() throws {
    let contract = Call(json: try #require(Self.contracts.first))
    let data = try Hex.decode(try contract.text("creationInput"))
    let transaction = Transaction(
      chainID: 41_956, nonce: 0, fee: .legacy(gasPrice: 0), gasLimit: 10_000_000, to: nil,
      data: data)
    let words = UInt64((data.count + 31) / 32)
    #expect(
      IntrinsicGas.of(transaction, fork: .shanghai)
        == IntrinsicGas.of(transaction, fork: .paris) + 2 * words)
  }
}

@Suite("The standard precompiles", .timeLimit(.minutes(5)))
struct PrecompileTests {
  static let counts = [
    "blake2f": 7, "bn256Add": 15, "bn256Pairing": 17, "bn256ScalarMul": 18, "ecrecover": 13,
    "identity": 13, "modexp": 44, "ripemd160": 13, "sha256": 13,
  ]

  /// The words of go-ethereum 1.13.15 for each input that is refused (core/vm/contracts.go, crypto/bn256).
  ///
  /// A length that nobody can pay for runs out of gas before the input is refused.
  private static let failures: [String: Failure] = [
    "modexp, exp length 2^256-1": .outOfGas,
    "bn256Add, second point not on the curve": .inputRefused("bn256: malformed point"),
    "bn256Add, x = p": .inputRefused("bn256: coordinate equals modulus"),
    "bn256Add, x above p": .inputRefused("bn256: coordinate exceeds modulus"),
    "bn256ScalarMul, point not on the curve": .inputRefused("bn256: malformed point"),
    "bn256Pairing, 191 bytes": .inputRefused("bad elliptic curve pairing size"),
    "bn256Pairing, G1 not on the curve": .inputRefused("bn256: malformed point"),
    "bn256Pairing, G2 on the twist, outside the subgroup": .inputRefused("bn256: malformed point"),
    "bn256Pairing, G1 infinity with G2 outside the subgroup":
      .inputRefused("bn256: malformed point"),
    "bn256Pairing, G2 with real and imaginary parts exchanged":
      .inputRefused("bn256: malformed point"),
    "blake2f, vector 0: empty input": .inputRefused("invalid input length"),
    "blake2f, vector 1: less than 213 bytes input": .inputRefused("invalid input length"),
    "blake2f, vector 3: malformed final block indicator flag": .inputRefused("invalid final flag"),
  ]

  private static let vectors: JSON = {
    do {
      return try JSON.parse(
        [UInt8](Data(contentsOf: TestVectors.evm.appending(path: "precompiles.json"))))
    } catch { fatalError("precompiles.json cannot be read: \(error)") }
  }()

  @Test(
    "Each gives the recorded output for the recorded gas, or takes all of it",
    arguments: counts.keys.sorted())
  func output(_ name: String) throws {
    let contract = try #require(Self.vectors[name])
    let address = try Address(try #require(contract["address"]?.stringValue))
    let cases = try #require(contract["cases"]?.arrayValue)
    #expect(cases.count == Self.counts[name])
    let machine = VirtualMachine(fork: .london)
    for row in cases {
      let title = row["name"]?.stringValue ?? ""
      let input = try Hex.decode(try #require(row["input"]?.stringValue))
      let plenty: UInt64 = 100_000_000_000
      let outcome = machine.call(
        address, from: .zero, input: input, gas: plenty, on: MapState(),
        in: BlockContext(chainID: 1))
      guard let expected = row["expected"]?.stringValue else {
        #expect(row["error"] != nil)
        let failure = try #require(Self.failures["\(name), \(title)"], "\(name), \(title)")
        #expect(outcome.completion == .failed(failure), "\(name), \(title)")
        #expect(outcome.gasUsed == plenty, "\(name), \(title)")
        continue
      }
      let gas = UInt64(try #require(row["gas"]?.integerValue))
      #expect(outcome.completion == .returned, "\(name), \(title)")
      #expect(Hex.encode(outcome.output) == expected, "\(name), \(title)")
      #expect(outcome.gasUsed == gas, "\(name), \(title)")
      guard gas > 0 else { continue }
      let short = machine.call(
        address, from: .zero, input: input, gas: gas - 1, on: MapState(),
        in: BlockContext(chainID: 1))
      #expect(short.completion == .failed(.outOfGas), "\(name), \(title)")
    }
  }

  @Test("Point evaluation refuses a wrong length, then a wrong hash, then every proof")
  func pointEvaluation() {
    let machine = VirtualMachine(fork: .cancun)
    let commitment = [UInt8](repeating: 0xc0, count: 48)
    var hash = commitment.withUnsafeBytes { ContractCrypto.sha256($0) }
    hash[0] = 1
    let rest = [UInt8](repeating: 0, count: 64)
    let proof = [UInt8](repeating: 0, count: 48)
    for (input, reason) in [
      (hash + rest + commitment, "invalid input length"),
      ([UInt8](repeating: 1, count: 32) + rest + commitment + proof, "mismatched versioned hash"),
      (hash + rest + commitment + proof, "error verifying kzg proof"),
    ] {
      let outcome = machine.call(
        .precompile(10), from: .zero, input: input, gas: 60_000, on: MapState(),
        in: BlockContext(chainID: 1))
      #expect(outcome.completion == .failed(.inputRefused(reason)))
    }
  }

  @Test("No contract of the golden data is left out")
  func everyContract() throws {
    let contracts = try #require(Self.vectors.objectValue)
    #expect(Set(contracts.keys) == Set(Self.counts.keys))
  }

  @Test(
    "0 to the power of 0 is 1, also where neither has a byte (EIP-198)",
    arguments: [(modulus: 5, power: 1), (1, 0), (0, 0)] as [(modulus: UInt8, power: UInt8)])
  func emptyPower(modulus: UInt8, power: UInt8) {
    let machine = VirtualMachine(fork: .london)
    for exponentLength in 0..<3 {
      let lengths = [Word.zero, Word(UInt64(exponentLength)), 1]
      let exponent = [UInt8](repeating: 0, count: exponentLength)
      let outcome = machine.call(
        .precompile(5), from: .zero,
        input: lengths.flatMap(\.bigEndianBytes) + exponent + [modulus], gas: 10_000,
        on: MapState(), in: BlockContext(chainID: 1))
      #expect(outcome.completion == .returned)
      #expect(outcome.output == [power])
    }
  }

  @Test("A modular power whose lengths are absurd costs more than anyone has")
  func absurdLengths() {
    let machine = VirtualMachine(fork: .london)
    for length in [Word.max, Word(1 << 63), Word(1 << 32)] {
      for place in 0..<3 {
        var lengths = [Word(1), Word(1), Word(1)]
        lengths[place] = length
        let outcome = machine.call(
          .precompile(5), from: .zero, input: lengths.flatMap(\.bigEndianBytes),
          gas: 10_000_000_000, on: MapState(), in: BlockContext(chainID: 1))
        #expect(outcome.completion != .returned)
        #expect(outcome.gasUsed == 10_000_000_000)
      }
    }
  }
}
