import EVM
import EthereumPrimitives
import PlumiseWire

/// Why a call fails before any program runs.
struct PreflightFailure: Error {
  let reason: String

  init(_ reason: String) { self.reason = reason }
}

/// The estimate of eth_estimateGas, which is go-ethereum's (eth/gasestimator).
extension Chain {
  /// The gas of a transfer without data.
  private static let transferGas: UInt64 = 21_000
  /// What a call gets in addition when it transfers value.
  private static let callStipend: UInt64 = 2_300
  /// How far above the least gas an estimate may be, as a share of the estimate.
  private static let errorRatio = 0.015

  /// A gas limit with which a call goes through, at most 1.5 % above the least one.
  /// - Throws: ``RPCFailure`` when the call fails whatever its gas.
  func estimateGas(
    of call: CallRequest, on view: View, overrides: CallOverrides = CallOverrides()
  ) throws -> UInt64 {
    let allowance = try allowance(of: call, on: view, overrides)
    do {
      try checkPayment(of: call, gas: allowance, on: view, overrides: overrides)
      if allowance >= intrinsicGas(of: call) { try checkInitCode(of: call) }
    } catch let error as PreflightFailure {
      throw RPCFailure.refused("failed with \(allowance) gas: \(error.reason)")
    }
    // Where a plain transfer cannot be, the search below says why.
    if call.input.isEmpty, let to = call.to, !view.state[to].hasCode,
      (try? checkPayment(of: call, gas: Self.transferGas, on: view, overrides: overrides)) != nil,
      outcome(of: call, on: view, gas: Self.transferGas, overrides)?.completion == .returned
    {
      return Self.transferGas
    }
    guard let first = outcome(of: call, on: view, gas: allowance, overrides) else {
      throw RPCFailure.refused("gas required exceeds allowance (\(allowance))")
    }
    switch first.completion {
    case .returned: break
    case .reverted: throw RPCFailure.reverted(Revert(output: first.output))
    case .failed(.outOfGas):
      throw RPCFailure.refused("gas required exceeds allowance (\(allowance))")
    case .failed(let failure): throw RPCFailure.refused("\(failure)")
    }
    return leastGas(after: first, of: call, allowance: allowance) { gas in
      outcome(of: call, on: view, gas: gas, overrides)?.completion == .returned
    }
  }

  /// Searches between the gas that a call used and the most it may use.
  private func leastGas(
    after first: CallOutcome, of call: CallRequest, allowance: UInt64,
    succeeds: (_ gas: UInt64) -> Bool
  ) -> UInt64 {
    let spent = intrinsicGas(of: call) + first.gasUsed
    let refund = min(first.refund, spent / 5)
    /// The most gas that is known to fail, and the least that is known to do.
    var (low, high) = (spent - refund - 1, allowance)
    // The stipend, and the 64th that a call leaves with its caller (EIP-150).
    let likely = (spent + Self.callStipend) * 64 / 63
    if likely < high {
      if succeeds(likely) { high = likely } else { low = likely }
    }
    while low + 1 < high, Double(high - low) / Double(high) >= Self.errorRatio {
      // Most calls need little more than they used.
      let middle = min((high + low) / 2, low * 2)
      if succeeds(middle) { high = middle } else { low = middle }
    }
    return high
  }

  /// - Returns: nil when the gas does not even cover what is charged before any code runs.
  private func outcome(
    of call: CallRequest, on view: View, gas: UInt64, _ overrides: CallOverrides
  ) -> CallOutcome? {
    let intrinsic = intrinsicGas(of: call)
    return gas < intrinsic
      ? nil : run(call, on: view, gas: gas - intrinsic, overrides: overrides)
  }

  /// The most gas that an estimate may come to: what the call names, if that is enough for any
  /// transaction, or a block's; and no more than the sender can pay for.
  private func allowance(
    of call: CallRequest, on view: View, _ overrides: CallOverrides
  ) throws -> UInt64 {
    var allowance = overrides.gasLimit ?? currentRules.blockGasLimit
    if let gas = call.gas, gas >= Self.transferGas { allowance = gas }
    if !call.feeCap.isZero {
      let balance = view.state[call.from].balance
      // A balance of nothing does not do for a value of nothing either.
      guard balance > call.value else {
        throw RPCFailure.refused("insufficient funds for transfer")
      }
      let affordable = ((balance - call.value) / call.feeCap).exactUInt64() ?? .max
      allowance = min(allowance, affordable)
    }
    return min(allowance, EthCallMethods.callGasCap)
  }

  /// What a transaction would be asked: fees that fit each other and the block's base fee, unless
  /// there are none, and a balance that covers them and the value.
  func checkPayment(
    of call: CallRequest, gas: UInt64, on view: View, overrides: CallOverrides = CallOverrides()
  ) throws {
    let sender = call.from.checksummed
    let baseFee = overrides.baseFee ?? view.block.header.baseFeePerGas
    if !call.feeCap.isZero || !call.tip.isZero {
      guard call.tip <= call.feeCap else {
        throw PreflightFailure(
          "max priority fee per gas higher than max fee per gas: address \(sender), "
            + "maxPriorityFeePerGas: \(call.tip), maxFeePerGas: \(call.feeCap)")
      }
      guard call.feeCap >= baseFee else {
        throw PreflightFailure(
          "max fee per gas less than block base fee: address \(sender), "
            + "maxFeePerGas: \(call.feeCap), baseFee: \(baseFee)")
      }
    }
    let balance = view.state[call.from].balance
    let (fee, overflow) = Word(gas).multipliedReportingOverflow(by: call.feeCap)
    let needed = overflow ? .max : fee.adding(call.value, upTo: .max)
    guard balance >= needed else {
      throw PreflightFailure(
        "insufficient funds for gas * price + value: address \(sender) have \(balance) "
          + "want \(needed)")
    }
  }

  /// Refuses init code that is too long (EIP-3860, from Shanghai on).
  func checkInitCode(of call: CallRequest) throws {
    let limit = IntrinsicGas.maximumInitCodeSize
    guard call.to == nil, rules.hardfork >= .shanghai, call.input.count > limit else { return }
    throw PreflightFailure(
      "max initcode size exceeded: code size \(call.input.count) limit \(limit)")
  }
}
