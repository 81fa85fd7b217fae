import EVM
import EVMConformance
import EthereumPrimitives
import Foundation
import PlumiseWire
import TestVectors
import Testing

@Suite("The standard precompiles", .timeLimit(.minutes(5)))
struct PrecompileTests {
  static let counts = [
    "blake2f": 7, "bn256Add": 15, "bn256Pairing": 17, "bn256ScalarMul": 18, "ecrecover": 13,
    "identity": 13, "modexp": 44, "ripemd160": 13, "sha256": 13,
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
        // Lengths that nobody can pay for run out of gas before the input is refused.
        let failures: [Completion] = [.failed(.precompileFailed), .failed(.outOfGas)]
        #expect(failures.contains(outcome.completion), "\(name), \(title)")
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

  @Test("No contract of the golden data is left out")
  func everyContract() throws {
    let contracts = try #require(Self.vectors.objectValue)
    #expect(Set(contracts.keys) == Set(Self.counts.keys))
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
