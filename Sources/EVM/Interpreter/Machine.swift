import EthereumPrimitives

/// Runs the frames of one transaction or call.
final class Machine {
  let fork: Hardfork
  let instructions: UnsafePointer<Instruction>
  let block: BlockContext
  let journal: Journal
  let natives: [Address: any NativeContract]
  let tracer: (any Tracer)?
  let origin: Address
  let gasPrice: Word

  /// The frames that were ever needed, the first one's at 0.
  private var frames: [Frame] = []
  /// How many of them are at work.
  @exclusivity(unchecked) var depth = 0
  /// What the last call returned.
  @exclusivity(unchecked) private(set) var returnData: UnsafeMutableRawPointer
  @exclusivity(unchecked) private(set) var returnCount = 0
  private var returnCapacity = 256

  init(
    fork: Hardfork, block: BlockContext, journal: Journal,
    natives: [Address: any NativeContract], tracer: (any Tracer)?, origin: Address, gasPrice: Word
  ) {
    self.fork = fork
    self.block = block
    self.journal = journal
    self.natives = natives
    self.tracer = tracer
    self.origin = origin
    self.gasPrice = gasPrice
    instructions = InstructionSet.of(fork).table
    returnData = .allocate(byteCount: returnCapacity, alignment: 16)
  }

  deinit { returnData.deallocate() }

  /// The frame at work.
  var current: Frame { frames[depth - 1] }

  /// A frame above the one at work, which becomes the one at work.
  func pushFrame() -> Frame {
    if depth == frames.count { frames.append(Frame()) }
    depth += 1
    return frames[depth - 1]
  }

  var output: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: returnData, count: returnCount)
  }

  func clearReturnData() { returnCount = 0 }

  func setReturnData(_ bytes: UnsafeRawBufferPointer) {
    if bytes.count > returnCapacity {
      returnCapacity = max(bytes.count, 2 * returnCapacity)
      returnData.deallocate()
      returnData = .allocate(byteCount: returnCapacity, alignment: 16)
    }
    if let start = bytes.baseAddress { returnData.copyMemory(from: start, byteCount: bytes.count) }
    returnCount = bytes.count
  }

  /// Runs a call to its end.
  func run(_ request: CallRequest) -> CallResult {
    guard var result = begin(request) else { return runFrames() }
    // Nothing ran: a native contract, an account without code, or a call that could not begin.
    if case .failed(let failure) = result.completion, !failure.leavesGas { result.gas = 0 }
    return result
  }

  private func runFrames() -> CallResult {
    while true {
      let frame = current
      let exit: Exit
      if let tracer {
        exit = interpret(frame, TracingHook(machine: self, tracer: tracer))
      } else {
        exit = interpret(frame, NoHook())
      }
      switch exit {
      case .call(let request):
        if let result = begin(request) { deliver(result, to: frame, request.kind) }
      case .ended(let completion):
        let result = end(frame, completion)
        let kind = frame.kind
        depth -= 1
        if depth == 0 { return result }
        deliver(result, to: current, kind)
      }
    }
  }
}

/// Why the interpreter leaves a frame.
enum Exit {
  /// It wants other code to run.
  case call(CallRequest)
  case ended(Completion)
}
