import EVM
import EthereumPrimitives

/// The virtual machine with the chain's native contracts, and what it reads of the chain.
struct ChainMachine: Sendable {
  let rules: ChainRules
  let virtualMachine: VirtualMachine

  /// Prepared code, which all chains of a process share.
  private static let codes = CodeCache()

  init(rules: ChainRules) {
    self.rules = rules
    let programs = NativeProgram.programs(of: rules).map {
      ($0.address(rules: rules), NativeProgramContract(program: $0, rules: rules))
    }
    virtualMachine = VirtualMachine(
      fork: rules.hardfork, natives: Dictionary(programs) { first, _ in first }, codes: Self.codes)
  }

  /// The block of a header as code sees it.
  func context(of header: BlockHeader) -> BlockContext {
    BlockContext(
      number: header.number, timestamp: header.timestamp,
      coinbase: rules.author(coinbase: header.coinbase),
      gasLimit: header.gasLimit, baseFee: header.baseFeePerGas,
      difficulty: Word(header.difficulty), chainID: rules.chainID)
  }

  /// Whether a transaction only moves value: its recipient has no code, native or not.
  func isPlainTransfer(_ sent: RecoveredTransaction, on state: WorldState) -> Bool {
    guard let recipient = sent.transaction.to else { return false }
    return !state[recipient].hasCode && !virtualMachine.hasNativeContract(at: recipient)
  }

}

/// A state as the virtual machine reads it.
struct WorldStateReader: StateReader {
  let state: WorldState
  /// The blocks before.
  let history: BlockHistory

  func account(at address: Address) -> AccountState? {
    let account = state[address]
    guard !account.isEmpty else { return nil }
    return AccountState(
      nonce: account.nonce, balance: account.balance, codeHash: account.codeHash)
  }

  func code(at address: Address, hash: Hash32) -> [UInt8] { state[address].code }

  func storage(at address: Address, slot: Word) -> Word {
    state.storage(at: address, slot: slot)
  }

  func hasStorage(at address: Address) -> Bool { state.hasStorage(at: address) }

  func blockHash(of number: UInt64) -> Hash32 {
    history.hash(of: number) ?? state.fork?.blockHash(of: number) ?? .zero
  }
}
