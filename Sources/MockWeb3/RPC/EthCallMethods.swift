import EthereumPrimitives
import PlumiseWire

/// `eth_`: calls without a transaction.
enum EthCallMethods {
  static let table: [String: RPCMethod] = [
    "eth_call": RPCMethod(arguments: 4, call),
    "eth_estimateGas": RPCMethod(arguments: 3, estimateGas),
  ]

  /// The gas of a call that names none.
  private static let callGasCap: UInt64 = 50_000_000

  @Sendable private static func call(_ arguments: GethArguments) throws -> ChainOperation {
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
          throw PreflightFailure("intrinsic gas too low: have \(gas), want \(intrinsic)")
        }
        switch chain.run(call, on: view, gas: gas - intrinsic) {
        case .returned(let output): return .hex(output)
        case .reverted(let revert): throw RPCFailure.reverted(revert)
        case .outOfGas: throw RPCFailure.refused("out of gas")
        }
      } catch let error as PreflightFailure {
        throw RPCFailure.refused("err: \(error.reason) (supplied gas \(gas))")
      }
    }
  }

  @Sendable private static func estimateGas(_ arguments: GethArguments) throws -> ChainOperation {
    let call = try CallArguments(arguments.required(0)).call()
    let reference = try arguments.optional(1)?.blockReference() ?? .tag(.latest)
    try refuseOverrides(arguments, from: 2)
    return { chain, now in
      let view = try chain.view(reference, now: now)
      let allowance = try allowance(of: call, on: view, rules: chain.rules)
      do {
        try checkPayment(of: call, gas: allowance, on: view)
      } catch let error as PreflightFailure {
        throw RPCFailure.refused("failed with \(allowance) gas: \(error.reason)")
      }
      if case .reverted(let revert) = chain.run(call, on: view, gas: .max) {
        throw RPCFailure.reverted(revert)
      }
      let needed = chain.gasRequired(by: call)
      guard needed <= allowance else {
        throw RPCFailure.refused("gas required exceeds allowance (\(allowance))")
      }
      return .quantity(needed)
    }
  }

  /// The most gas that an estimate may come to: what the call names, if that is enough for any
  /// transaction, or a block's; and no more than the sender can pay for.
  private static func allowance(
    of call: CallRequest, on view: Chain.View, rules: ChainRules
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

  /// Why a call fails before any program runs.
  private struct PreflightFailure: Error {
    let reason: String

    init(_ reason: String) { self.reason = reason }
  }

  /// What a transaction would be asked: fees that fit each other and the block's base fee, unless
  /// there are none, and a balance that covers them and the value.
  private static func checkPayment(
    of call: CallRequest, gas: UInt64, on view: Chain.View
  ) throws {
    let sender = call.from.checksummed
    let baseFee = view.block.header.baseFeePerGas
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

  /// Overrides would have to be ignored, and an answer without them would be a wrong one.
  private static func refuseOverrides(_ arguments: GethArguments, from position: Int) throws {
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

/// The object that eth_call, eth_estimateGas and eth_sendTransaction take.
struct CallArguments: Sendable {
  var from: Address?
  var to: Address?
  var gas: UInt64?
  var nonce: UInt64?
  var gasPrice: Word?
  var maxFeePerGas: Word?
  var maxPriorityFeePerGas: Word?
  var value: Word = .zero
  var input: [UInt8] = []
  var accessList: [AccessListEntry]?
  var chainID: Word?
  /// Whether `data` and `input` are both there and differ: a call takes `input`, a transaction
  /// neither.
  var isAmbiguous = false

  init(_ value: GethValue) throws {
    let fields = try value.fields(of: "TransactionArgs")
    from = try fields["from"]?.address()
    to = try fields["to"]?.address()
    gas = try fields["gas"]?.uint64()
    nonce = try fields["nonce"]?.uint64()
    gasPrice = try fields["gasPrice"]?.word()
    maxFeePerGas = try fields["maxFeePerGas"]?.word()
    maxPriorityFeePerGas = try fields["maxPriorityFeePerGas"]?.word()
    self.value = try fields["value"]?.word() ?? .zero
    let data = try fields["data"]?.bytes()
    let input = try fields["input"]?.bytes()
    self.input = input ?? data ?? []
    isAmbiguous = data != nil && input != nil && data != input
    accessList = try fields["accessList"]?.accessList()
    chainID = try fields["chainId"]?.word()
    if gasPrice != nil, maxFeePerGas != nil || maxPriorityFeePerGas != nil {
      throw RPCFailure.refused(
        "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified")
    }
  }

  /// The call of a program; creating contracts is not part of this chain.
  func call() throws -> CallRequest {
    guard let to else { throw PoolError.contractCreation }
    return CallRequest(
      from: from ?? .zero, to: to, gas: gas, feeCap: gasPrice ?? maxFeePerGas ?? .zero,
      tip: gasPrice ?? maxPriorityFeePerGas ?? .zero, value: value, input: input,
      accessList: accessList ?? [])
  }
}

/// A call without a transaction: what eth_call and eth_estimateGas run.
struct CallRequest {
  var from: Address = .zero
  var to: Address
  var gas: UInt64?
  /// The most that a unit of gas may cost, in wei; zero when the caller does not pay.
  var feeCap: Word = .zero
  /// The tip for a unit of gas, in wei.
  var tip: Word = .zero
  var value: Word = .zero
  var input: [UInt8] = []
  var accessList: [AccessListEntry] = []
}

extension Chain {
  /// Which state a question is about.
  struct View {
    let state: WorldState
    let block: Block
  }

  /// The environment that a call sees on top of a block.
  private func environment(of view: View) -> BlockEnvironment {
    let header = view.block.header
    return BlockEnvironment(
      number: header.number, timestamp: header.timestamp, baseFee: header.baseFeePerGas,
      gasLimit: rules.blockGasLimit, coinbase: header.coinbase)
  }

  /// Runs a call on a view.
  func run(_ call: CallRequest, on view: View, gas: UInt64) -> CallOutcome {
    var execution = Execution(state: view.state, block: environment(of: view), rules: rules)
    let message = Message(
      caller: call.from, recipient: call.to, value: call.value, input: call.input)
    return execution.call(message, gas: gas)
  }

  /// The gas that a transaction with this call would use when it goes through.
  func gasRequired(by call: CallRequest) -> UInt64 {
    let program = NativeProgram(at: call.to, rules: rules)
    return IntrinsicGas.of(data: call.input, accessList: call.accessList)
      .addingSaturating(program.map(rules.gasCost) ?? 0)
  }
}
