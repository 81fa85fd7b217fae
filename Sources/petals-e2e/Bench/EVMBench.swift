import CoreFoundation
import EVM
import EthereumPrimitives
import Foundation

/// How much bytecode one core runs, in processor time.
struct EVMBench: Sendable {
  let runs: Int

  func rows() async throws -> [BenchRow] {
    var rows: [BenchRow] = []
    for program in Self.programs {
      let machine = VirtualMachine(fork: .cancun)
      var rates: [Double] = []
      for _ in 0..<runs {
        let began = Self.processorSeconds()
        let outcome = machine.call(
          Program.address, from: .zero, gas: .max / 2, on: program, in: Self.block)
        let seconds = Self.processorSeconds() - began
        guard outcome.completion == .returned else {
          throw CommandFailure.failed("\(program.name): \(outcome.completion)")
        }
        rates.append(Double(program.rounds * program.operations) / seconds / program.scale)
      }
      rows.append(BenchRow("evm", program.name, program.unit, rates))
    }
    return rows
  }

  private static let block = BlockContext(chainID: 1)

  /// Seconds that this thread has had of a core: others may use it as well.
  private static func processorSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  /// A body that runs so many times: DUP1 and what follows leave the stack as it was.
  private struct Program: StateReader {
    static let address = Address.precompile(0xcc)

    let name: String
    let unit: String
    let scale: Double
    let rounds: Int
    let operations: Int
    let code: [UInt8]

    /// - Parameters:
    ///   - body: bytecode that leaves the stack as it was; the counter is on its top.
    ///   - operations: how many of what is counted a round does.
    init(
      _ name: String, _ unit: String, scale: Double = 1, rounds: Int, operations: Int, body: [UInt8]
    ) {
      self.name = name
      self.unit = unit
      self.scale = scale
      self.rounds = rounds
      self.operations = operations
      let count = UInt32(rounds)
      code =
        [0x63] + (0..<4).map { UInt8(truncatingIfNeeded: count >> (24 - 8 * $0)) } + [0x5b] + body
        // PUSH1 1, SWAP1, SUB, DUP1, PUSH1 start, JUMPI, STOP
        + [0x60, 1, 0x90, 0x03, 0x80, 0x60, 5, 0x57, 0x00]
    }

    func account(at address: Address) -> AccountState? {
      address == Self.address
        ? AccountState(nonce: 1, codeHash: Keccak256.hash(code)) : nil
    }

    func code(at address: Address, hash: Hash32) -> [UInt8] { code }
    func storage(at address: Address, slot: Word) -> Word { .zero }
    func hasStorage(at address: Address) -> Bool { false }
    func blockHash(of number: UInt64) -> Hash32 { .zero }
  }

  private static let programs: [Program] = [
    Program(
      "a counting loop", "million opcodes a second", scale: 1e6, rounds: 2_000_000, operations: 7,
      body: []),
    // DUP1 DUP1 ADD DUP2 AND DUP2 LT ISZERO POP
    Program(
      "additions, comparisons, bits", "million opcodes a second", scale: 1e6, rounds: 1_000_000,
      operations: 16, body: [0x80, 0x80, 0x01, 0x81, 0x16, 0x81, 0x10, 0x15, 0x50]),
    // DUP1 DUP1 MUL PUSH1 0 MSTORE PUSH1 0 MLOAD POP
    Program(
      "products through memory", "million opcodes a second", scale: 1e6, rounds: 1_000_000,
      operations: 16, body: [0x80, 0x80, 0x02, 0x60, 0, 0x52, 0x60, 0, 0x51, 0x50]),
    // PUSH1 32 PUSH1 0 KECCAK256 POP
    Program(
      "KECCAK256 of 32 bytes", "million a second", scale: 1e6, rounds: 200_000, operations: 1,
      body: [0x60, 32, 0x60, 0, 0x20, 0x50]),
    // DUP1 PUSH1 0 SSTORE
    Program(
      "SSTORE to a warm slot", "million a second", scale: 1e6, rounds: 500_000, operations: 1,
      body: [0x80, 0x60, 0, 0x55]),
    // PUSH1 0 (5 times) PUSH1 0xcb GAS CALL POP: an account without code
    Program(
      "CALL of an account without code", "million a second", scale: 1e6, rounds: 200_000,
      operations: 1,
      body: [0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0xcb, 0x5a, 0xf1, 0x50]),
  ]
}
