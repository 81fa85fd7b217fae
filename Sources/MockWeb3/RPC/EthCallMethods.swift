import EthereumPrimitives
import PlumiseWire

/// `eth_`: calls that leave no trace.
enum EthCallMethods {
  static let table: [String: RPCMethod] = [
    "eth_call": RPCMethod(arguments: 4, call),
    "eth_estimateGas": RPCMethod(arguments: 3, estimateGas),
  ]

  /// The gas of a call that names none.
  private static let callGasCap: UInt64 = 50_000_000

  @Sendable private static func call(_ arguments: RPCArguments) throws -> ChainOperation {
    let call = try CallArguments(arguments.required(0)).call()
    let reference = try arguments.optional(1)?.blockReference() ?? .tag(.latest)
    try refuseOverrides(arguments, from: 2)
    return { chain, now in
      let view = try chain.view(reference, now: now)
      let gas = min(call.gas ?? callGasCap, callGasCap)
      if reference.isExact, let revert = view.block.forcedRevert(of: call) {
        throw RPCFailure.reverted(revert)
      }
      do {
        try checkPayment(of: call, gas: gas, on: view)
        let intrinsic = IntrinsicGas.of(data: call.input, accessList: call.accessList)
        guard gas >= intrinsic else {
          throw Unpayable("intrinsic gas too low: have \(gas), want \(intrinsic)")
        }
        switch chain.run(call, on: view, gas: gas - intrinsic) {
        case .returned(let output): return .hex(output)
        case .reverted(let revert): throw RPCFailure.reverted(revert)
        case .outOfGas: throw RPCFailure.refused("out of gas")
        }
      } catch let error as Unpayable {
        throw RPCFailure.refused("err: \(error.reason) (supplied gas \(gas))")
      }
    }
  }

  @Sendable private static func estimateGas(_ arguments: RPCArguments) throws -> ChainOperation {
    let call = try CallArguments(arguments.required(0)).call()
    let reference = try arguments.optional(1)?.blockReference() ?? .tag(.latest)
    try refuseOverrides(arguments, from: 2)
    return { chain, now in
      let view = try chain.view(reference, now: now)
      let allowance = try allowance(of: call, on: view, rules: chain.rules)
      do {
        try checkPayment(of: call, gas: allowance, on: view)
      } catch let error as Unpayable {
        throw RPCFailure.refused("failed with \(allowance) gas: \(error.reason)")
      }
      if case .reverted(let revert) = chain.run(call, on: view, gas: .max) {
        throw RPCFailure.reverted(revert)
      }
      let needed = chain.gasNeeded(by: call)
      guard needed <= allowance else {
        throw RPCFailure.refused("gas required exceeds allowance (\(allowance))")
      }
      return .quantity(needed)
    }
  }

  /// The most gas that an estimate may come to: what the call names, if that is enough for any
  /// transaction, or a block's; and no more than the sender can pay for.
  private static func allowance(
    of call: TracelessCall, on view: Chain.View, rules: ChainRules
  ) throws -> UInt64 {
    var allowance = rules.blockGasLimit
    if let gas = call.gas, gas >= IntrinsicGas.transaction { allowance = gas }
    if !call.feeCap.isZero {
      let balance = view.state[call.from].balance
      guard call.value.isZero || balance > call.value else {
        throw RPCFailure.refused("insufficient funds for transfer")
      }
      let affordable = ((balance - call.value) / call.feeCap).exactUInt64() ?? .max
      allowance = min(allowance, affordable)
    }
    return min(allowance, callGasCap)
  }

  /// Why a call cannot even begin.
  private struct Unpayable: Error {
    let reason: String

    init(_ reason: String) { self.reason = reason }
  }

  /// What a transaction would be asked: fees that fit each other and the block's base fee, unless
  /// there are none, and a balance that covers them and the value.
  private static func checkPayment(
    of call: TracelessCall, gas: UInt64, on view: Chain.View
  ) throws {
    let sender = call.from.checksummed
    let baseFee = view.block.header.baseFeePerGas
    if !call.feeCap.isZero || !call.tip.isZero {
      guard call.tip <= call.feeCap else {
        throw Unpayable(
          "max priority fee per gas higher than max fee per gas: address \(sender), "
            + "maxPriorityFeePerGas: \(call.tip), maxFeePerGas: \(call.feeCap)")
      }
      guard call.feeCap >= baseFee else {
        throw Unpayable(
          "max fee per gas less than block base fee: address \(sender), "
            + "maxFeePerGas: \(call.feeCap), baseFee: \(baseFee)")
      }
    }
    let balance = view.state[call.from].balance
    let (fee, overflow) = Word(gas).multipliedReportingOverflow(by: call.feeCap)
    let needed = overflow ? .max : fee.adding(call.value, upTo: .max)
    guard balance >= needed else {
      throw Unpayable(
        "insufficient funds for gas * price + value: address \(sender) have \(balance) "
          + "want \(needed)")
    }
  }

  /// Overrides would have to be ignored, and an answer without them would be a wrong one.
  private static func refuseOverrides(_ arguments: RPCArguments, from position: Int) throws {
    for (offset, kind) in ["state", "block"].enumerated() {
      guard let overrides = arguments.optional(position + offset) else { continue }
      guard try overrides.fields(of: "\(kind) overrides").isEmpty else {
        throw RPCFailure.refused(
          "\(kind) overrides are not supported: change the chain itself (evm_setBalance, "
            + "evm_setNonce) between evm_snapshot and evm_revert")
      }
    }
  }
}
