import EVM
public import EthereumPrimitives

/// What a chain begins with besides its funded accounts.
extension ChainConfiguration {
  /// Takes over what a genesis file says; the funded accounts stay, and have their coins in addition to
  /// what the file gives them.
  public mutating func apply(_ genesis: GenesisFile) {
    if let chainID = genesis.chainID { rules.chainID = chainID }
    if let hardfork = genesis.hardfork { rules.hardfork = hardfork }
    if let gasLimit = genesis.gasLimit { rules.blockGasLimit = gasLimit }
    if let coinbase = genesis.coinbase { rules.coinbase = coinbase }
    if let timestamp = genesis.timestamp { genesisTimestamp = timestamp }
    if let baseFee = genesis.baseFee { genesisBaseFee = baseFee }
    genesisAccounts.merge(genesis.accounts) { $1 }
  }

  /// Creates a contract in the genesis block, as its first funded account would with its next
  /// transaction, but for the fee.
  /// - Returns: the contract's address.
  /// - Throws: ``DeploymentError`` when the constructor fails.
  @discardableResult
  public mutating func deploy(_ artifact: ContractArtifact) throws(DeploymentError) -> Address {
    guard let deployer = accounts.first?.address else {
      throw DeploymentError(contract: artifact.name, reason: "the chain has no funded account")
    }
    let created = try run(nil, from: deployer, input: artifact.initCode, name: artifact.name)
    guard let created else {
      throw DeploymentError(contract: artifact.name, reason: "it left no account")
    }
    return created
  }

  /// Runs a call, or without a recipient a creation, in the genesis block, and keeps the code, the
  /// storage and the nonces that it leaves.
  /// - Parameter name: what the error calls it.
  /// - Returns: the contract that was created.
  mutating func run(
    _ recipient: Address?, from sender: Address, input: [UInt8], name: String
  ) throws(DeploymentError) -> Address? {
    let limit = IntrinsicGas.maximumInitCodeSize
    guard recipient != nil || rules.hardfork < .shanghai || input.count <= limit else {
      throw DeploymentError(
        contract: name,
        reason: "its init code has \(input.count) bytes, above the \(limit) of \(rules.hardfork)")
    }
    let genesis = Genesis(configuration: self, timestamp: genesisTimestamp ?? 0)
    let machine = ChainMachine(rules: rules)
    let history = BlockHistory(genesis: genesis.block, state: genesis.state)
    let outcome = machine.virtualMachine.call(
      recipient, from: sender, input: input, gas: rules.blockGasLimit,
      on: WorldStateReader(state: genesis.state, history: history),
      in: machine.context(of: genesis.block.header),
      native: RecordJournal(genesis.state.records))
    switch outcome.completion {
    case .returned: break
    case .reverted:
      let reason = RevertReason(outcome.output).map { ": \($0.text)" } ?? ""
      throw DeploymentError(contract: name, reason: "execution reverted\(reason)")
    case .failed(let failure): throw DeploymentError(contract: name, reason: "\(failure)")
    }
    for (address, change) in outcome.effects.accounts {
      guard case .written(let write) = change else { continue }
      var account = genesisAccounts[address] ?? GenesisAccount()
      account.nonce = write.account.nonce
      if let code = write.code { account.code = code.bytes }
      account.storage.merge(write.storage) { $1 }
      genesisAccounts[address] = account
    }
    return outcome.created
  }
}
