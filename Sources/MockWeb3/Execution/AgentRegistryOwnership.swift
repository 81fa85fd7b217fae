import EVM
import EthereumPrimitives
import PlumiseWire

/// The functions of AgentRegistry that it inherits from OpenZeppelin's Ownable (version 5).
extension AgentRegistryContract {
  static let ownership: [String: ContractFunction] = [
    "owner()": { _, _, execution in
      execution.use(execution.gasOfReadingRegistryOwner() + AgentRegistryGas.owner)
      return ABI.word(execution.registryOwner)
    },
    "transferOwnership(address)": { message, arguments, execution throws(Revert) in
      execution.use(AgentRegistryGas.malformedTransfer(message))
      let owner = try arguments.address(0)
      let ownerRead = execution.gasOfReadingRegistryOwner()
      execution.use(ownerRead + AgentRegistryGas.transferByStranger)
      try requireOwner(message, execution)
      execution.use(ownerRead + AgentRegistryGas.transferToNobody)
      guard owner != .zero else {
        throw Revert(output: ABI.selector("OwnableInvalidOwner(address)") + ABI.word(owner))
      }
      execution.use(ownerRead + AgentRegistryGas.transfer)
      return setOwner(to: owner, message, execution)
    },
    "renounceOwnership()": { message, _, execution throws(Revert) in
      let ownerRead = execution.gasOfReadingRegistryOwner()
      execution.use(ownerRead + AgentRegistryGas.renunciationByStranger)
      try requireOwner(message, execution)
      execution.use(ownerRead + AgentRegistryGas.renunciation)
      return setOwner(to: .zero, message, execution)
    },
  ]

  /// Refuses a caller who is not the owner, with Ownable's custom error.
  static func requireOwner(_ message: Message, _ execution: Execution) throws(Revert) {
    guard message.caller == execution.registryOwner else {
      throw Revert(
        output: ABI.selector("OwnableUnauthorizedAccount(address)") + ABI.word(message.caller))
    }
  }

  private static func setOwner(
    to owner: Address, _ message: Message, _ execution: Execution
  ) -> [UInt8] {
    let previous = execution.registryOwner
    let price = execution.host.gasOfWrite(
      at: execution.rules.registryAddress, slot: AgentRegistrySlots.owner,
      original: execution.state.original.owner(of: execution.rules).word, current: previous.word,
      value: owner.word)
    execution.add(price.gas, refund: price.refund)
    execution.state.registryOwner = owner
    execution.emit(
      .event(
        "OwnershipTransferred(address,address)", from: message.recipient,
        indexed: [previous.word, owner.word]))
    return []
  }
}

extension Execution {
  /// AgentRegistry's owner, who may slash agents.
  var registryOwner: Address { state.records.owner(of: rules) }

  /// The gas of the contract's first access to the slot of its owner, which is warm from then on.
  func gasOfReadingRegistryOwner() -> UInt64 {
    // In files of earlier versions of this package each access is the first one.
    guard rules.registryIsOwnable else { return 2_100 }
    return host.gasOfRead(at: rules.registryAddress, slot: AgentRegistrySlots.owner)
  }
}

extension PlumiseRecords {
  /// AgentRegistry's owner: the account of the chain's rules, until the contract has another one.
  func owner(of rules: ChainRules) -> Address { registryOwner ?? rules.registryOwner }
}
