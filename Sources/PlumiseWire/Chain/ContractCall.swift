public import EthereumPrimitives

/// A function of one of Plumise's contracts with its arguments.
public protocol ContractCall: Hashable, Sendable {
  /// The function's name and the types of its arguments, as its selector is made of them.
  var signature: String { get }
  /// The arguments in order.
  var arguments: [ABIValue] { get }
  /// Every function of the contract, with a way to read its arguments.
  static var functions: [ContractFunction<Self>] { get }
}

/// One function of a contract: its signature, its types, and how a call is made of its arguments.
public struct ContractFunction<Call: Sendable>: Sendable {
  /// The function's name and the types of its arguments.
  public let signature: String
  let types: [ABIType]
  let make: @Sendable ([ABIValue]) -> Call?

  /// A function of a signature such as `isActive(address)`.
  init(
    _ signature: String, _ types: [ABIType] = [],
    _ make: @escaping @Sendable ([ABIValue]) -> Call?
  ) {
    self.signature = signature
    self.types = types
    self.make = make
  }
}

extension ContractCall {
  /// The call's input: the selector, then the arguments.
  public var input: [UInt8] { ABI.call(signature, arguments) }

  /// Reads the input of a call.
  ///
  /// - Throws: `ContractCallError` when no function has the selector or its arguments do not fit.
  public init(input: some Collection<UInt8>) throws(ContractCallError) {
    let input = Array(input)
    guard input.count >= 4 else { throw .noSelector(length: input.count) }
    let selector = Array(input[..<4])
    guard let function = Self.functions.first(where: { ABI.selector($0.signature) == selector })
    else { throw .unknownSelector(selector) }
    let values: [ABIValue]
    do { values = try ABI.decode(function.types, from: input[4...]) } catch {
      throw .arguments(signature: function.signature, error)
    }
    guard let call = function.make(values) else { throw .unknownSelector(selector) }
    self = call
  }
}

/// Why bytes are not a call of a contract.
public enum ContractCallError: Error, Hashable, Sendable, CustomStringConvertible {
  /// There are fewer bytes than a selector has.
  case noSelector(length: Int)
  /// The contract has no function with this selector.
  case unknownSelector([UInt8])
  /// The arguments do not fit the function.
  case arguments(signature: String, ABIError)

  /// One line that says what is wrong.
  public var description: String {
    switch self {
    case .noSelector(let length): "a call needs a selector of 4 bytes, and has \(length)"
    case .unknownSelector(let selector):
      "the contract has no function with the selector \(Hex.encode(selector))"
    case .arguments(let signature, let error): "the arguments of \(signature): \(error)"
    }
  }
}

/// An event that Plumise's contracts log.
public enum ContractEvent: String, CaseIterable, Hashable, Sendable {
  /// RewardPool: an agent's reward was paid; topic agent, data amount.
  case rewardClaimed = "RewardClaimed(address,uint256)"
  /// RewardPool: the oracle reported; topic agent, data epoch and the five numbers.
  case contributionReported =
    "ContributionReported(address,uint256,uint256,uint256,uint256,uint256,uint256)"
  /// RewardPool: an epoch was shared out; topic epoch, data amount and agents.
  case rewardsDistributed = "RewardsDistributed(uint256,uint256,uint256)"
  /// RewardPool: money came in; data amount and epoch.
  case rewardReceived = "RewardReceived(uint256,uint256)"
  /// AgentRegistry: an agent registered; topics agent and node id, data description.
  case agentRegistered = "AgentRegistered(address,bytes32,string)"
  /// AgentRegistry: an agent is alive; topic agent, data time.
  case heartbeat = "Heartbeat(address,uint256)"

  /// The event's first topic: keccak256 of its signature.
  public var topic: Hash32 { ABI.eventTopic(rawValue) }
}
