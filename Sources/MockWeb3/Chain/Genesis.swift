import EthereumPrimitives

/// The first block, and the state it leaves behind.
struct Genesis {
  let state: WorldState
  let block: Block

  init(configuration: ChainConfiguration, timestamp: UInt64) {
    let rules = configuration.rules
    var state = WorldState()
    if rules.profile == .testnet2026 { state.precompileAgents = AgentLedger() }
    for program in NativeProgram.allCases where program.isContract {
      // A contract's nonce begins at 1 (EIP-161).
      state[program.address(rules: rules)] = Account(nonce: 1, isNative: true)
    }
    for account in configuration.accounts { state.credit(account.balance, to: account.address) }
    for (address, balance) in configuration.balances { state.credit(balance, to: address) }
    var header = BlockHeader(
      parentHash: .zero, coinbase: .zero, stateRoot: state.rootHash(),
      transactionsRoot: MerkleTrie<[UInt8]>.emptyRoot,
      receiptsRoot: MerkleTrie<[UInt8]>.emptyRoot, logsBloom: LogsBloom().bytes, difficulty: 0,
      number: 0, gasLimit: rules.blockGasLimit, gasUsed: 0, timestamp: timestamp, extraData: [],
      baseFeePerGas: BaseFee.initial)
    Seal.apply(to: &header, sealer: nil)
    self.state = state
    block = Block(header: header, transactions: [], receipts: [], parentDifficulty: 0)
  }
}
