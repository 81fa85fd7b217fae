import EVM
import EVMConformance
import EthereumPrimitives

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
