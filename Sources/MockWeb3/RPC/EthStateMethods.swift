import EthereumPrimitives
import PlumiseWire

/// `eth_`: accounts, and calls that leave no trace.
enum EthStateMethods {
  static let table: [String: RPCMethod] = [
    "eth_getBalance": RPCMethod(arguments: 2) { arguments in
      let (address, block) = (try arguments.address(0), try arguments.block(1))
      return { chain, now in .quantity(try chain.view(block, now: now).state[address].balance) }
    },
    "eth_getTransactionCount": RPCMethod(arguments: 2) { arguments in
      let (address, block) = (try arguments.address(0), try arguments.block(1))
      return { chain, now in
        if block == .tag(.pending) {
          return .quantity(chain.pool.nextNonce(of: address, state: chain.state))
        }
        return .quantity(try chain.view(block, now: now).state[address].nonce)
      }
    },
    "eth_getCode": RPCMethod(arguments: 2) { arguments in
      let (address, block) = (try arguments.address(0), try arguments.block(1))
      return { chain, now in .hex(try chain.view(block, now: now).state[address].code) }
    },
    "eth_getStorageAt": RPCMethod(arguments: 3) { arguments in
      _ = try arguments.address(0)
      _ = try arguments.required(1).string()
      let block = try arguments.block(2)
      return { chain, now in
        // The native programs keep typed records, not slots: every slot reads as zero.
        _ = try chain.view(block, now: now)
        return .hash(.zero)
      }
    },
    "eth_call": RPCMethod(arguments: 4, call),
    "eth_estimateGas": RPCMethod(arguments: 3, estimateGas),
  ]

  /// The gas of a call that names none.
  private static let callGasCap: UInt64 = 50_000_000

  @Sendable private static func call(_ arguments: RPCArguments) throws -> ChainOperation {
    let call = try CallArguments(arguments.required(0)).call()
    let reference = try arguments.optional(1)?.blockReference() ?? .tag(.latest)
    return { chain, now in
      let view = try chain.view(reference, now: now)
      let gas = min(call.gas ?? callGasCap, callGasCap)
      let intrinsic = IntrinsicGas.of(data: call.input)
      guard gas >= intrinsic else {
        throw RPCFailure.refused(
          "err: intrinsic gas too low: have \(gas), want \(intrinsic) (supplied gas \(gas))")
      }
      let balance = view.state[call.from].balance
      let needed = Word(gas).multipliedReportingOverflow(by: call.feeCap ?? .zero).partialValue
        .adding(call.value, upTo: .max)
      guard balance >= needed else {
        throw RPCFailure.refused(
          "err: insufficient funds for gas * price + value: address \(call.from.checksummed) "
            + "have \(balance) want \(needed) (supplied gas \(gas))")
      }
      switch chain.run(call, on: view, gas: gas - intrinsic) {
      case .returned(let output): return .hex(output)
      case .reverted(let revert): throw RPCFailure.reverted(revert)
      case .outOfGas: throw RPCFailure.refused("out of gas")
      }
    }
  }

  @Sendable private static func estimateGas(_ arguments: RPCArguments) throws -> ChainOperation {
    let call = try CallArguments(arguments.required(0)).call()
    let reference = try arguments.optional(1)?.blockReference() ?? .tag(.latest)
    return { chain, now in
      let view = try chain.view(reference, now: now)
      let balance = view.state[call.from].balance
      guard balance >= call.value else {
        throw RPCFailure.refused("insufficient funds for transfer")
      }
      var allowance = min(call.gas ?? chain.rules.blockGasLimit, callGasCap)
      if let feeCap = call.feeCap, !feeCap.isZero {
        let affordable = ((balance - call.value) / feeCap).exactUInt64() ?? .max
        allowance = min(allowance, affordable)
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
}
