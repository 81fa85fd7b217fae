import EVM
import EVMConformance
import EthereumPrimitives
import Testing

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
    let fault = #expect(throws: TransactionFault.self) {
      try VirtualMachine(fork: .london).execute(
        transaction, from: sender, on: state, in: block, gasLeft: 49_999)
    }
    #expect(fault == .blockGasExceeded(limit: 50_000, left: 49_999))
  }
}
