public import EthereumPrimitives

/// Watches code run, step by step and call by call.
///
/// A machine without one runs a loop that was compiled without it.
public protocol Tracer: AnyObject {
  /// An instruction is about to run, or cannot; what it costs has not been taken.
  func step(_ step: TraceStep)
  /// A call or a creation begins, or a contract gives its balance away (SELFDESTRUCT).
  ///
  /// One that cannot begin, for its depth, the caller's balance or what is at its address, is not
  /// reported, unless it is the transaction's own.
  func enter(_ call: TraceCall)
  /// The call or creation that began last, and has not ended, ends.
  func leave(_ result: TraceResult)
}

extension Tracer {
  /// Nothing.
  public func step(_ step: TraceStep) {}
  /// Nothing.
  public func enter(_ call: TraceCall) {}
  /// Nothing.
  public func leave(_ result: TraceResult) {}
}

/// An instruction that is about to run; its buffers are valid during the call only.
public struct TraceStep {
  /// How many frames are below: 0 for the transaction's own.
  public let depth: Int
  /// Whose state the code works on.
  public let address: Address
  /// The program counter: the instruction's offset in the code.
  public let pc: Int
  /// The byte of the code; ``Opcode`` has its name.
  public let opcode: UInt8
  /// What is left.
  public let gas: UInt64
  /// What it costs, as go-ethereum computes it before it runs: a call's has the gas that is handed
  /// over, a creation's has not.
  public let cost: UInt64
  /// Why it will not run, its gas or the stack; failures of the run itself are those of the frame.
  public let error: Failure?
  /// The gas to be given back, that of this instruction included.
  public let refund: Int64
  /// The value that SLOAD will read; nil for other instructions.
  public let loaded: Word?
  /// The stack, its top last.
  public let stack: UnsafeBufferPointer<Word>
  /// The memory in use, whole words.
  public let memory: UnsafeRawBufferPointer
  /// What the last call of the frame returned.
  public let returnData: UnsafeRawBufferPointer
}

/// A call or a creation; its input is valid during the call only.
public struct TraceCall {
  /// Which instruction made it; CALL or CREATE for a transaction's own.
  public let kind: CallKind
  /// How many frames are below: 0 for the transaction's own.
  public let depth: Int
  /// The account whose code calls; for DELEGATECALL not what the called code sees as its caller.
  public let caller: Address
  /// Whose state it works on; the new contract's address in a creation.
  public let address: Address
  /// Where the code is; SELFDESTRUCT's beneficiary.
  public let contract: Address
  /// Wei that comes with it, or for DELEGATECALL what came with the caller's own call.
  public let value: Word
  /// What it may use.
  public let gas: UInt64
  /// The input, or the init code.
  public let input: UnsafeRawBufferPointer
}

/// How a call or a creation ended; its output is valid during the call only.
public struct TraceResult {
  /// Whether it returned.
  public let completion: Completion
  /// What it used of its gas.
  public let gasUsed: UInt64
  /// What it returned or reverted with; the new contract's code.
  public let output: UnsafeRawBufferPointer
}

/// The ways to run other code, and SELFDESTRUCT, which tracers see as a call of the beneficiary.
public enum CallKind: String, Hashable, Sendable {
  case call = "CALL"
  case callcode = "CALLCODE"
  case delegatecall = "DELEGATECALL"
  case staticcall = "STATICCALL"
  case create = "CREATE"
  case create2 = "CREATE2"
  case selfdestruct = "SELFDESTRUCT"

  var isCreation: Bool { self == .create || self == .create2 }
}

/// What the interpreter does before every instruction; the loop is compiled once for each kind.
protocol StepHook {
  func step(
    _ frame: Frame, pc: Int, opcode: UInt8, gas: UInt64, top: UnsafeMutablePointer<Word>)
}

/// Nothing at all.
struct NoHook: StepHook {
  @inline(__always)
  func step(
    _ frame: Frame, pc: Int, opcode: UInt8, gas: UInt64, top: UnsafeMutablePointer<Word>
  ) {}
}

/// Tells a tracer.
struct TracingHook: StepHook {
  let machine: Machine
  let tracer: any Tracer

  func step(
    _ frame: Frame, pc: Int, opcode: UInt8, gas: UInt64, top: UnsafeMutablePointer<Word>
  ) {
    let price = machine.price(of: opcode, frame, gas: gas, top: top)
    tracer.step(
      TraceStep(
        depth: machine.depth - 1, address: frame.address, pc: pc, opcode: opcode, gas: gas,
        cost: price.gas, error: price.error, refund: machine.journal.refund + price.refund,
        loaded: price.loaded,
        stack: UnsafeBufferPointer(start: frame.stack, count: top - frame.stack),
        memory: UnsafeRawBufferPointer(start: frame.memory, count: frame.memoryCount),
        returnData: machine.output))
  }
}
