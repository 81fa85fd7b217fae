import EVM
import EVMConformance
import EthereumPrimitives
import Foundation
import PlumiseWire
import TestVectors
import Testing

@Suite("The machine")
struct MachineTests {
  private static let opcodes: [String: UInt8] = Dictionary(
    uniqueKeysWithValues: (0...255).map { (Opcode.name(of: $0), $0) })

  private static let rows: [[String]] = {
    do {
      return try JSONDecoder().decode([[String]].self, from: Data(contentsOf: TestVectors.words))
    } catch { fatalError("words.json cannot be read: \(error)") }
  }()

  @Test("Every instruction of arithmetic takes its operands in order")
  func arithmetic() throws {
    #expect(Self.rows.count == 1_200)
    for row in Self.rows {
      let opcode = try #require(Self.opcodes[row[0]])
      let operands = try row[1..<(row.count - 1)].map { try Quantity.decode($0) }
      let code = operands.reversed().flatMap(Bytecode.push) + [opcode] + Bytecode.returnTop
      let outcome = Bytecode.run(code)
      #expect(outcome.completion == .returned)
      let expected = try Quantity.decode(row[row.count - 1]).bigEndianBytes
      #expect(outcome.output == expected, "\(row.joined(separator: " "))")
    }
  }

  @Test(
    "PUSH of every length reads its bytes, and zeros where the code has ended", arguments: 1...32)
  func pushes(_ count: Int) throws {
    let bytes = (1...count).map { UInt8($0) }
    let code = [0x5f + UInt8(count)] + bytes + Bytecode.returnTop
    #expect(Bytecode.run(code).output == [UInt8](repeating: 0, count: 32 - count) + bytes)
    // Cut off in its operand: what is missing reads as zeros, and the code ends there.
    let cut = Bytecode.run([0x5f + UInt8(count)] + bytes.dropLast())
    #expect(cut.completion == .returned)
    #expect(cut.gasUsed == 3)
  }

  @Test("DUP and SWAP of every depth reach their word", arguments: 1...16)
  func depths(_ depth: Int) {
    let words: [UInt8] = (0...depth).flatMap { [0x60, UInt8($0 + 1)] as [UInt8] }
    let dup = Bytecode.run(words + [0x7f + UInt8(depth)] + Bytecode.returnTop)
    #expect(dup.output.last == 2)
    let swap = Bytecode.run(words + [0x8f + UInt8(depth)] + Bytecode.returnTop)
    #expect(swap.output.last == 1)
  }

  @Test("0x44 answers the difficulty in London, and the random value from Paris on")
  func randomness() {
    let block = BlockContext(difficulty: 2, random: 77, chainID: 1)
    for fork in Hardfork.allCases {
      let outcome = Bytecode.run([0x44] + Bytecode.returnTop, fork, block: block)
      #expect(outcome.output.last == (fork == .london ? 2 : 77))
    }
  }

  @Test(
    "An instruction is undefined before its hard fork",
    arguments: [
      (0x5f, Hardfork.shanghai), (0x49, .cancun), (0x4a, .cancun), (0x5c, .cancun), (0x5d, .cancun),
      (0x5e, .cancun),
    ] as [(UInt8, Hardfork)])
  func undefinedInstructions(_ opcode: UInt8, _ since: Hardfork) {
    let code = [0x60, 0, 0x60, 0, 0x60, 0, opcode, 0x00]
    for fork in Hardfork.allCases {
      let completion = Bytecode.run(code, fork).completion
      #expect(
        completion == (fork < since ? .failed(.undefinedOpcode(opcode)) : .returned),
        "\(opcode), \(fork)")
    }
  }

  @Test(
    "Code that goes wrong takes all gas and says why",
    arguments: [
      ([0x01], Failure.stackUnderflow(height: 0, needed: 2)),
      ([0x5b, 0x60, 1, 0x60, 0, 0x56], .stackOverflow(height: 1_024, limit: 1_023)),
      ([0xfe], .undefinedOpcode(0xfe)), ([0x0c], .undefinedOpcode(0x0c)),
      ([0x60, 0, 0x56], .invalidJump), ([0x60, 4, 0x56, 0x60, 0x5b], .invalidJump),
      ([0x60, 1, 0x60, 0, 0x60, 0, 0x3e], .returnDataOutOfBounds),
      ([0x7f] + [UInt8](repeating: 0xff, count: 32) + [0x51], .memoryRangeOverflow),
      // The end fits 64 bits, and that of its last word does not.
      ([0x60, 0, 0x67] + [UInt8](repeating: 0xff, count: 7) + [0xe0, 0x53], .memoryRangeOverflow),
      ([0x60, 0, 0x67] + [UInt8](repeating: 0xff, count: 7) + [0xdf, 0x53], .outOfGas),
      // An empty range may begin anywhere; the memory is paid for before the data is looked at.
      ([0x60, 1, 0x60, 0, 0x64, 1, 0, 0, 0, 0, 0x3e], .outOfGas),
      // The output's range is looked at before the input's is paid for.
      (
        [0x60, 1, 0x7f] + [UInt8](repeating: 0xff, count: 32)
          + [0x60, 1, 0x64, 1, 0, 0, 0, 0, 0x60, 0, 0x60, 0, 0xfa], .memoryRangeOverflow
      ),
      ([0x60, 0, 0x64, 1, 0, 0, 0, 0, 0x52], .outOfGas),
    ] as [([UInt8], Failure)])
  func failures(_ code: [UInt8], _ failure: Failure) {
    let outcome = Bytecode.run(code)
    #expect(outcome.completion == .failed(failure))
    #expect(outcome.gasUsed == 1_000_000)
    #expect(outcome.output.isEmpty)
    #expect(outcome.effects.accounts.isEmpty)
  }

  @Test("Code that may only read fails when it writes, and its caller goes on")
  func staticCalls() {
    let target = Address.precompile(0xdd)
    // STATICCALL 0xdd, and return whether it succeeded.
    let code: [UInt8] =
      [0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0xdd, 0x61, 0xff, 0xff, 0xfa] + Bytecode.returnTop
    let writers: [[UInt8]] = [
      [0x60, 1, 0x60, 1, 0x55], [0x60, 1, 0x60, 1, 0x5d], [0x60, 0, 0x60, 0, 0xa0],
      [0x60, 0, 0x60, 0, 0x60, 0, 0xf0], [0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0, 0xf5],
      [0x60, 0, 0xff],
      [0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0, 0x60, 1, 0x60, 0, 0x60, 0, 0xf1],
    ]
    for writer in writers {
      #expect(Bytecode.run(code, others: [target: writer]).output.last == 0)
    }
    #expect(Bytecode.run(code, others: [target: [0x60, 1, 0x54]]).output.last == 1)
  }

  @Test("Calls go 1024 frames deep, and no deeper")
  func depth() {
    // Calls itself with all gas, and returns 1 more than the call did.
    let code: [UInt8] =
      [0x60, 32, 0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0, 0x30, 0x5a, 0xf1, 0x50]
      + [0x60, 0, 0x51, 0x60, 1, 0x01] + Bytecode.returnTop
    let outcome = Bytecode.run(code, gas: 1 << 50)
    #expect(outcome.completion == .returned)
    #expect(Array(outcome.output.suffix(2)) == [0x04, 0x01])
  }

  @Test("One machine serves many threads at once, each with its own state")
  func concurrency() async {
    let machine = VirtualMachine(fork: .cancun)
    // Adds the input to what is in slot 0, 300 times over, and returns the slot.
    let body: [UInt8] = [0x60, 0, 0x54, 0x60, 0, 0x35, 0x01, 0x60, 0, 0x55]
    let code =
      [UInt8]([0x61, 0x01, 0x2c, 0x5b]) + body + [0x60, 1, 0x90, 0x03, 0x80, 0x60, 3, 0x57]
      + [0x60, 0, 0x54] + Bytecode.returnTop
    await withTaskGroup(of: (UInt64, [UInt8]).self) { group in
      for step in 0..<64 as Range<UInt64> {
        group.addTask {
          let outcome = machine.call(
            Bytecode.address, from: Bytecode.caller, input: Word(step).bigEndianBytes,
            gas: 1_000_000, on: Bytecode.state(code), in: BlockContext(chainID: 1))
          return (step, outcome.output)
        }
      }
      for await (step, output) in group {
        #expect(output == Word(300 * step).bigEndianBytes)
      }
    }
  }
}

@Suite("Effects")
struct EffectTests {
  private static let other = Address.precompile(0xdd)

  private func write(_ effects: StateEffects, _ address: Address) throws -> AccountWrite {
    guard case .written(let write) = effects.accounts[address] else { throw NotWritten() }
    return write
  }

  private struct NotWritten: Error {}

  @Test("A call that returns keeps what it did, and names only what changed")
  func kept() throws {
    // Slot 1 becomes 7; slot 2 becomes 9 and 0 again.
    let code: [UInt8] = [0x60, 7, 0x60, 1, 0x55, 0x60, 9, 0x60, 2, 0x55, 0x60, 0, 0x60, 2, 0x55]
    let outcome = Bytecode.run(code, value: 5)
    #expect(outcome.completion == .returned)
    #expect(Set(outcome.effects.accounts.keys) == [Bytecode.address, Bytecode.caller])
    #expect(try write(outcome.effects, Bytecode.address).storage == [1: 7])
    #expect(try write(outcome.effects, Bytecode.address).account.balance == 5)
    #expect(try write(outcome.effects, Bytecode.caller).account.balance == (Word(1) << 100) - 5)
  }

  @Test("A call that reverts gives its output and its gas back, and undoes everything")
  func undone() {
    // Writes, logs and sends, then reverts with 32 bytes.
    let code: [UInt8] =
      [0x60, 7, 0x60, 1, 0x55, 0x60, 0, 0x60, 0, 0xa0]
      + [0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0, 0x60, 3, 0x60, 0xdd, 0x61, 0xff, 0xff, 0xf1]
      + [0x60, 32, 0x60, 0, 0xfd]
    let outcome = Bytecode.run(code, value: 5)
    #expect(outcome.completion == .reverted)
    #expect(outcome.output.count == 32)
    #expect(outcome.gasUsed < 100_000)
    #expect(outcome.logs.isEmpty)
    #expect(outcome.effects.accounts.isEmpty)
  }

  @Test("A frame that fails undoes its part and no more")
  func innerFrame() throws {
    let inner: [UInt8] = [0x60, 1, 0x60, 1, 0x55, 0x60, 0, 0x60, 0, 0xa0, 0xfe]
    let code: [UInt8] =
      [0x60, 7, 0x60, 1, 0x55]
      + [0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0xdd, 0x61, 0xff, 0xff, 0xf1]
      + [0x60, 2, 0x55]
    let outcome = Bytecode.run(code, others: [Self.other: inner])
    #expect(outcome.completion == .returned)
    #expect(outcome.logs.isEmpty)
    #expect(Set(outcome.effects.accounts.keys) == [Bytecode.address])
    // Slot 2 would hold whether the call succeeded.
    #expect(try write(outcome.effects, Bytecode.address).storage == [1: 7])
  }

  @Test("A contract that destroys itself is deleted before Cancun, and only emptied from then on")
  func destruction() throws {
    let code: [UInt8] = [0x60, 0xdd, 0xff]
    let before = Bytecode.run(code, .shanghai, value: 5).effects
    guard case .deleted = before.accounts[Bytecode.address] else {
      Issue.record("not deleted: \(before)")
      return
    }
    let since = Bytecode.run(code, .cancun, value: 5).effects
    // It came with 5 and left with 5: nothing of it changed.
    #expect(since.accounts[Bytecode.address] == nil)
    for effects in [before, since] {
      #expect(try write(effects, Self.other).account.balance == 5)
    }
  }

  @Test("A transaction charges its sender, pays the coinbase and burns the base fee")
  func fees() throws {
    let sender = Bytecode.caller
    let coinbase = Address.precompile(0xee)
    let state = Bytecode.state([0x00])
    let block = BlockContext(coinbase: coinbase, baseFee: 7, chainID: 1)
    let transaction = Transaction(
      chainID: 1, nonce: 0, fee: .feeMarket(maxPriorityFeePerGas: 2, maxFeePerGas: 100, []),
      gasLimit: 50_000, to: Bytecode.address, value: 11)
    let outcome = try VirtualMachine(fork: .london).execute(
      transaction, from: sender, on: state, in: block)
    #expect(outcome.gasUsed == 21_000)
    #expect(outcome.gasPrice == 9)
    let payer = try write(outcome.effects, sender).account
    #expect(payer.balance == (Word(1) << 100) - 11 - 9 * 21_000)
    #expect(payer.nonce == 1)
    #expect(try write(outcome.effects, coinbase).account.balance == 2 * 21_000)
    let fault = #expect(throws: InvalidTransactionError.self) {
      try VirtualMachine(fork: .london).execute(
        transaction, from: sender, on: state, in: block, gasLeft: 49_999)
    }
    #expect(fault == .blockGasExceeded(limit: 50_000, left: 49_999))
  }
}

/// Runs bytecode on a state of its own.
enum Bytecode {
  static let address = Address.precompile(0xcc)
  static let caller = Address.precompile(0xca)

  /// A state that holds code at ``address`` and a caller who can pay.
  static func state(_ code: [UInt8], others: [Address: [UInt8]] = [:]) -> MapState {
    var state = MapState()
    for (address, code) in others.merging([address: code], uniquingKeysWith: { $1 }) {
      state.accounts[address] = .init(
        AccountState(nonce: 1, codeHash: Keccak256.hash(code)), code: code)
    }
    state.accounts[caller] = .init(AccountState(balance: Word(1) << 100))
    return state
  }

  /// Calls code.
  static func run(
    _ code: [UInt8], _ fork: Hardfork = .cancun, others: [Address: [UInt8]] = [:],
    value: Word = .zero, input: [UInt8] = [], gas: UInt64 = 1_000_000,
    block: BlockContext = BlockContext(chainID: 41_956), tracer: (any Tracer)? = nil
  ) -> CallOutcome {
    VirtualMachine(fork: fork).call(
      address, from: caller, value: value, input: input, gas: gas,
      on: state(code, others: others), in: block, tracer: tracer)
  }

  /// PUSH32 of a word.
  static func push(_ word: Word) -> [UInt8] { [0x7f] + word.bigEndianBytes }

  /// PUSH1 0, MSTORE, PUSH1 32, PUSH1 0, RETURN: returns the top of the stack.
  static let returnTop: [UInt8] = [0x60, 0, 0x52, 0x60, 32, 0x60, 0, 0xf3]
}
