import EVM
import EthereumPrimitives
import PlumiseWire

/// `debug_`: what ran inside a transaction or a call, instruction by instruction or call by call.
enum DebugMethods {
  static let table: [String: RPCMethod] = [
    "debug_traceTransaction": RPCMethod(arguments: 2) { arguments in
      let hash = try arguments.hash(0)
      let options = try TraceOptions(arguments.optional(1))
      return { chain, _ in
        let (recorder, run) = try chain.trace(hash, with: options)
        return try recorder.json(of: run)
      }
    },
    "debug_traceBlockByNumber": RPCMethod(arguments: 2) { arguments in
      let tag = try arguments.required(0).blockTag()
      let options = try TraceOptions(arguments.optional(1))
      return { chain, now in
        guard let block = chain.block(.tag(tag), now: now) else {
          var asked = ""
          if case .number(let number) = tag { asked = "\(number)" }
          throw RPCFailure.refused("block #\(asked) not found")
        }
        return try chain.trace(block, with: options)
      }
    },
    "debug_traceBlockByHash": RPCMethod(arguments: 2) { arguments in
      let hash = try arguments.hash(0)
      let options = try TraceOptions(arguments.optional(1))
      return { chain, _ in
        guard let block = chain.history[hash] else {
          throw RPCFailure.refused("block \(hash.hex) not found")
        }
        return try chain.trace(block, with: options)
      }
    },
    "debug_traceCall": RPCMethod(arguments: 3) { arguments in
      let call = try CallArguments(arguments.required(0)).call()
      let block = try arguments.block(1)
      let options = try TraceOptions(arguments.optional(2))
      return { chain, now in
        let view = try options.overrides.applied(
          to: chain.tracedView(block, before: options.transactionIndex, now: now))
        do {
          return try chain.trace(call, with: options, on: view)
        } catch let error as PreflightFailure {
          throw RPCFailure.refused("tracing failed: \(error.reason)")
        }
      }
    },
    // Blocks come from nowhere but here.
    "debug_getBadBlocks": .plain { _, _ in [] },
  ]
}

/// What a tracer's answer needs besides what it saw.
struct TracedRun {
  let completion: Completion
  let gasLimit: UInt64
  let gasUsed: UInt64
  let output: [UInt8]
  let effects: StateEffects
  let reader: RecordingReader
}

/// The tracers and their options (go-ethereum's `TraceConfig`).
struct TraceOptions: Sendable {
  enum Kind: String, Sendable, CaseIterable {
    case callTracer, prestateTracer
  }

  /// Nil for the struct logger.
  private(set) var kind: Kind?
  private(set) var logger = StructLogger.Options()
  private(set) var onlyTopCall = false
  private(set) var withLog = false
  private(set) var diffMode = false
  private(set) var overrides = CallOverrides()
  /// Before which transaction of the block a call is traced; nil for after all of them.
  private(set) var transactionIndex: UInt64?

  /// The struct logger with its usual options.
  init() {}

  init(_ value: GethValue?) throws {
    guard let fields = try value?.fields(of: "TraceCallConfig") else { return }
    if let name = try fields["tracer"]?.string(), !name.isEmpty {
      guard let kind = Kind(rawValue: name) else {
        let known = Kind.allCases.map(\.rawValue).joined(separator: " and ")
        throw RPCFailure.refused(
          "tracer \"\(name)\" is not supported: name \(known), or none for the struct logger")
      }
      self.kind = kind
    }
    let config = try fields["tracerConfig"]?.fields(of: "tracerConfig") ?? [:]
    onlyTopCall = try config["onlyTopCall"]?.bool() ?? false
    withLog = try config["withLog"]?.bool() ?? false
    diffMode = try config["diffMode"]?.bool() ?? false
    logger.memory = try fields["enableMemory"]?.bool() ?? false
    logger.stack = try !(fields["disableStack"]?.bool() ?? false)
    logger.storage = try !(fields["disableStorage"]?.bool() ?? false)
    logger.returnData = try fields["enableReturnData"]?.bool() ?? false
    if let limit = try fields["limit"]?.int() { logger.limit = Int(clamping: max(0, limit)) }
    if let timeout = try fields["timeout"]?.string() {
      guard let duration = GoDuration(timeout) else {
        throw RPCFailure.refused("time: invalid duration \"\(timeout)\"")
      }
      logger.timeout = duration.value
    }
    overrides = try CallOverrides(
      state: fields["stateOverrides"], block: fields["blockOverrides"])
    transactionIndex = try fields["txIndex"]?.uint64("hexutil.Uint")
  }
}

/// The tracer that some options ask for, and its answer.
struct TraceRecorder {
  private let options: TraceOptions
  private let calls: CallTracer?
  private let logger: StructLogger?
  private let prestate: PrestateTracer?

  init(_ options: TraceOptions, coinbase: Address) {
    self.options = options
    calls =
      options.kind == .callTracer
      ? CallTracer(onlyTopCall: options.onlyTopCall, withLog: options.withLog) : nil
    logger = options.kind == nil ? StructLogger(options.logger) : nil
    prestate =
      options.kind == .prestateTracer && !options.diffMode
      ? PrestateTracer(coinbase: coinbase) : nil
  }

  /// Nil when the reads and the effects say enough.
  var tracer: (any Tracer)? {
    if let calls { return calls }
    if let logger { return logger }
    return prestate
  }

  func json(of run: TracedRun) throws -> JSON {
    if let logger {
      guard !logger.isTimedOut else { throw RPCFailure.refused("execution timeout") }
      let output = Hex.encode(run.output).dropFirst(2)
      return [
        "gas": .integer(run.gasUsed), "failed": .bool(run.completion != .returned),
        "returnValue": .string(String(output)), "structLogs": logger.json,
      ]
    }
    if let calls {
      guard var root = calls.root else { throw RPCFailure.refused("nothing was traced") }
      root.gas = run.gasLimit
      root.gasUsed = run.gasUsed
      return root.json
    }
    guard let prestate else { return run.reader.difference(run.effects) }
    return run.reader.prestate(prestate, run.effects)
  }
}

extension Chain {
  /// Runs a mined transaction again, on the state that it was mined on.
  /// - Parameter tracer: watches the run in the place of the options' tracer.
  func trace(
    _ hash: Hash32, with options: TraceOptions, tracer: (any Tracer)? = nil
  ) throws -> (recorder: TraceRecorder, run: TracedRun) {
    guard let (block, index) = history.find(hash) else {
      throw RPCFailure.refused("transaction not found")
    }
    guard block.forcedReverts[index] == nil else {
      throw RPCFailure.refused(Self.faultReverted)
    }
    var executor = try executor(before: block)
    for position in 0..<index { try executor.apply(block, position) }
    return try trace(block.transactions[index], with: options, after: executor, tracer: tracer)
  }

  /// Runs the transactions of a block again, each on the state that it was mined on.
  func trace(_ block: Block, with options: TraceOptions) throws -> JSON {
    var executor = try executor(before: block)
    return .array(
      try block.transactions.indices.map { index in
        let sent = block.transactions[index]
        var entry: JSONObject = ["txHash": .hash(sent.hash)]
        if block.forcedReverts[index] == nil {
          let (recorder, run) = try trace(sent, with: options, after: executor)
          entry["result"] = try recorder.json(of: run)
        } else {
          entry["error"] = .string(Self.faultReverted)
        }
        try executor.apply(block, index)
        return .object(entry)
      })
  }

  private static let faultReverted = "a fault reverted the transaction: no code ran"

  /// Runs a transaction on the state that an executor has come to.
  private func trace(
    _ sent: RecoveredTransaction, with options: TraceOptions, after executor: TransactionExecutor,
    tracer: (any Tracer)? = nil
  ) throws -> (recorder: TraceRecorder, run: TracedRun) {
    let recorder = TraceRecorder(options, coinbase: executor.block.coinbase)
    let reader = RecordingReader(WorldStateReader(state: executor.state, history: history))
    do throws(InvalidTransactionError) {
      let outcome = try machine.virtualMachine.execute(
        sent.transaction, from: sent.sender, on: reader, in: executor.block,
        mayHaveCode: sent.isImpersonated, native: RecordJournal(executor.state.records),
        tracer: tracer ?? recorder.tracer)
      let run = TracedRun(
        completion: outcome.completion, gasLimit: sent.transaction.gasLimit,
        gasUsed: outcome.gasUsed, output: outcome.output, effects: outcome.effects,
        reader: reader)
      return (recorder, run)
    } catch { throw RPCFailure.refused("tracing failed: \(error)") }
  }

  /// Runs a call, asking of it what is asked of a transaction.
  /// - Throws: ``PreflightFailure`` when it could be no transaction.
  fileprivate func trace(
    _ call: CallRequest, with options: TraceOptions, on view: View
  ) throws -> JSON {
    let gas = min(call.gas ?? EthCallMethods.callGasCap, EthCallMethods.callGasCap)
    try checkPayment(of: call, gas: gas, on: view, overrides: options.overrides)
    let intrinsic = intrinsicGas(of: call)
    guard gas >= intrinsic else {
      throw PreflightFailure("intrinsic gas too low: have \(gas), want \(intrinsic)")
    }
    try checkInitCode(of: call)
    var block = machine.context(of: view.block.header)
    options.overrides.apply(to: &block)
    let recorder = TraceRecorder(options, coinbase: block.coinbase)
    let reader = RecordingReader(WorldStateReader(state: view.state, history: history))
    let outcome = run(
      call, on: view, gas: gas - intrinsic, overrides: options.overrides,
      tracer: recorder.tracer, reader: reader)
    let spent = intrinsic + outcome.gasUsed
    return try recorder.json(
      of: TracedRun(
        completion: outcome.completion, gasLimit: gas,
        gasUsed: spent - min(outcome.refund, spent / 5), output: outcome.output,
        effects: outcome.effects, reader: reader))
  }

  /// The state that a call is traced on (go-ethereum's `TraceCall` and `StateAtTransaction`).
  /// - Parameter index: the transaction of the block before which it is; nil for after the block.
  fileprivate func tracedView(
    _ reference: BlockReference, before index: UInt64?, now: UInt64
  ) throws -> View {
    guard reference != .tag(.pending) else {
      throw RPCFailure.refused("tracing on top of pending is not supported")
    }
    guard let block = block(reference, now: now) else {
      switch reference {
      case .hash(let hash): throw RPCFailure.refused("block \(hash.hex) not found")
      case .tag(.number(let number)): throw RPCFailure.refused("block #\(number) not found")
      case .tag: throw RPCFailure.refused("block not found")
      }
    }
    guard let index else {
      guard block.number == latest.number || history.visibleState(after: block.number) != nil
      else { throw RPCFailure.refused(Self.stateUnavailable) }
      return try view(reference, now: now)
    }
    guard block.number > 0 else { throw RPCFailure.refused("no transaction in genesis") }
    var executor = try executor(before: block)
    let count = block.transactions.count
    // A block without transactions has a state before the first one all the same.
    guard index < UInt64(max(count, 1)) else {
      throw RPCFailure.refused(
        "transaction index \(index) out of range for block \(block.hash.hex)")
    }
    for position in 0..<Int(index) { try executor.apply(block, position) }
    return View(state: executor.state, block: block)
  }

  private static let stateUnavailable = "required historical state unavailable (reexec=128)"

  /// An executor on the state before a block, with what tests changed before it was made.
  private func executor(before block: Block) throws -> TransactionExecutor {
    guard block.number > 0 else { throw RPCFailure.refused("genesis is not traceable") }
    guard var state = history.state(after: block.number - 1) else {
      throw RPCFailure.refused(Self.stateUnavailable)
    }
    for edit in record.edits where edit.height == block.number - 1 { state.apply(edit.change) }
    return TransactionExecutor(
      state: state, block: machine.context(of: block.header), machine: machine, history: history)
  }
}

extension TransactionExecutor {
  /// Runs a transaction of a block again.
  fileprivate mutating func apply(_ block: Block, _ index: Int) throws {
    let sent = block.transactions[index]
    do throws(InclusionError) {
      try apply(sent, forcedRevert: block.forcedReverts[index])
    } catch { throw RPCFailure.refused("transaction \(sent.hash.hex) failed: \(error)") }
  }
}
