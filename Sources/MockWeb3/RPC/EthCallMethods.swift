import EVM
import EthereumPrimitives
import PlumiseWire

/// `eth_`: calls without a transaction.
enum EthCallMethods {
  static let table: [String: RPCMethod] = [
    "eth_call": RPCMethod(arguments: 4, call),
    // Its fourth argument came with go-ethereum 1.14; Anvil has it as well.
    "eth_estimateGas": RPCMethod(arguments: 4, estimateGas),
    "eth_createAccessList": RPCMethod(arguments: 2, AccessListMethod.answer),
  ]

  /// The gas of a call that names none, in go-ethereum.
  static let callGasCap: UInt64 = 50_000_000

  @Sendable private static func call(_ arguments: GethArguments) throws -> ChainOperation {
    let call = try CallArguments(arguments.required(0)).call()
    let reference = try arguments.optional(1)?.blockReference() ?? .tag(.latest)
    let overrides = try CallOverrides(state: arguments.optional(2), block: arguments.optional(3))
    return { chain, now in
      let view = try overrides.applied(to: chain.view(reference, now: now))
      let gas = min(call.gas ?? callGasCap, callGasCap)
      if reference.isExact, let revert = view.block.forcedRevert(of: call) {
        throw RPCFailure.reverted(revert)
      }
      do {
        try chain.checkPayment(of: call, gas: gas, on: view, overrides: overrides)
        let intrinsic = chain.intrinsicGas(of: call)
        guard gas >= intrinsic else {
          throw PreflightFailure("intrinsic gas too low: have \(gas), want \(intrinsic)")
        }
        try chain.checkInitCode(of: call)
        let outcome = chain.run(call, on: view, gas: gas - intrinsic, overrides: overrides)
        switch outcome.completion {
        case .returned: return .hex(outcome.output)
        case .reverted: throw RPCFailure.reverted(Revert(output: outcome.output))
        case .failed(let failure): throw RPCFailure.refused("\(failure)")
        }
      } catch let error as PreflightFailure {
        throw RPCFailure.refused("err: \(error.reason) (supplied gas \(gas))")
      }
    }
  }

  @Sendable private static func estimateGas(_ arguments: GethArguments) throws -> ChainOperation {
    let call = try CallArguments(arguments.required(0)).call()
    let reference = try arguments.optional(1)?.blockReference() ?? .tag(.latest)
    let overrides = try CallOverrides(state: arguments.optional(2), block: arguments.optional(3))
    return { chain, now in
      let view = try overrides.applied(to: chain.view(reference, now: now))
      return .quantity(try chain.estimateGas(of: call, on: view, overrides: overrides))
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
  /// Whether it asks for a transaction with blobs (EIP-4844), which nobody signs here.
  var hasBlobs = false
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
    hasBlobs = fields["blobVersionedHashes"] != nil || fields["maxFeePerBlobGas"] != nil
    if gasPrice != nil, maxFeePerGas != nil || maxPriorityFeePerGas != nil {
      throw RPCFailure.refused(
        "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified")
    }
  }

  /// The call, or without a recipient the creation, of a contract.
  func call() -> CallRequest {
    CallRequest(
      from: from ?? .zero, to: to, gas: gas, feeCap: gasPrice ?? maxFeePerGas ?? .zero,
      tip: gasPrice ?? maxPriorityFeePerGas ?? .zero, value: value, input: input,
      accessList: accessList ?? [])
  }
}

/// A call without a transaction: what eth_call and eth_estimateGas run.
struct CallRequest {
  var from: Address = .zero
  /// Nil to run `input` as init code.
  var to: Address?
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

  /// Runs a call on a view.
  /// - Parameters:
  ///   - gas: what the code may use, the intrinsic gas taken off.
  ///   - overrides: what is different in the block; the view has what is different in the state.
  ///   - reader: the view's state, if it is watched.
  func run(
    _ call: CallRequest, on view: View, gas: UInt64, overrides: CallOverrides = CallOverrides(),
    tracer: (any Tracer)? = nil, reader: RecordingReader? = nil
  ) -> CallOutcome {
    var block = machine.context(of: view.block.header)
    overrides.apply(to: &block)
    let price =
      call.feeCap.isZero ? .zero : min(call.feeCap, call.tip.adding(block.baseFee, upTo: .max))
    // Code that compares the two must not see a price below the base fee, not even one that the call
    // names (go-ethereum's `NewEVM`).
    if price.isZero { block.baseFee = .zero }
    let state: any StateReader = reader ?? WorldStateReader(state: view.state, history: history)
    return machine.virtualMachine.call(
      call.to, from: call.from, value: call.value, input: call.input, gas: gas, gasPrice: price,
      accessList: call.accessList, on: state, in: block,
      native: RecordJournal(view.state.records), tracer: tracer)
  }

  /// The gas that a call uses before any code runs.
  func intrinsicGas(of call: CallRequest) -> UInt64 {
    IntrinsicGas.of(
      data: call.input, accessList: call.accessList, isCreation: call.to == nil,
      fork: rules.hardfork)
  }
}
