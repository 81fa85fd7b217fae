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

  /// The frames that were allocated so far, the outermost one at 0.
  private var frames: [Frame] = []
  /// How many of them are in use.
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

  /// The innermost frame.
  var current: Frame { frames[depth - 1] }

  /// Adds a frame, which becomes the innermost one.
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
  func run(_ message: Message) -> CallResult {
    guard var result = begin(message) else { return runFrames() }
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
      case .call(let message):
        if let result = begin(message) { deliver(result, to: frame, message.kind) }
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
  case call(Message)
  case ended(Completion)
}

/// The execution of one piece of code: its stack, its memory, and its message.
///
/// Frames are reused. A frame owns its pointers, but for the input, which lies in the caller's
/// memory: the caller is suspended while this frame runs.
final class Frame {
  /// Room for 1024 words.
  let stack: UnsafeMutablePointer<Word>
  @exclusivity(unchecked) var top: UnsafeMutablePointer<Word>
  @exclusivity(unchecked) var gas: UInt64 = 0
  @exclusivity(unchecked) var pc = 0
  @exclusivity(unchecked) var memory: UnsafeMutableRawPointer
  /// Bytes in use, a multiple of 32.
  @exclusivity(unchecked) var memoryCount = 0
  @exclusivity(unchecked) private var memoryCapacity = 1_024

  @exclusivity(unchecked) var code = Code.empty
  /// Whose state it works on, as a record of the journal.
  @exclusivity(unchecked) var account = 0
  @exclusivity(unchecked) var address = Address.zero
  @exclusivity(unchecked) var caller = Address.zero
  @exclusivity(unchecked) var value = Word.zero
  @exclusivity(unchecked) var input = UnsafeRawBufferPointer(start: nil, count: 0)
  @exclusivity(unchecked) var isStatic = false
  @exclusivity(unchecked) var kind = CallKind.call
  @exclusivity(unchecked) var snapshot: Journal.Snapshot?
  @exclusivity(unchecked) var startGas: UInt64 = 0

  /// Where in memory the output of RETURN or REVERT is.
  @exclusivity(unchecked) var outputStart = 0
  @exclusivity(unchecked) var outputCount = 0
  /// Where in memory the output of the call that is running goes.
  @exclusivity(unchecked) var awaitedStart = 0
  @exclusivity(unchecked) var awaitedCount = 0

  init() {
    stack = .allocate(capacity: Gas.maxDepth)
    top = stack
    memory = .allocate(byteCount: 1_024, alignment: 32)
  }

  deinit {
    stack.deallocate()
    memory.deallocate()
  }

  func begin(_ code: Code, gas: UInt64) {
    top = stack
    self.gas = gas
    startGas = gas
    pc = 0
    memoryCount = 0
    self.code = code
    (outputStart, outputCount) = (0, 0)
  }

  @inline(__always)
  func pop() -> Word {
    top -= 1
    return top.pointee
  }

  @inline(__always)
  func push(_ word: Word) {
    top.pointee = word
    top += 1
  }

  @inline(__always)
  func charge(_ amount: UInt64) throws(Failure) {
    guard gas >= amount else { throw .outOfGas }
    gas &-= amount
  }

  /// Expands the memory to a range, and charges for it.
  /// - Returns: where it begins; 0 for an empty range, which may begin anywhere.
  func expandMemory(_ start: Word, _ count: Word) throws(Failure) -> (start: Int, count: Int) {
    let end = try Self.memoryEnd(start, count)
    guard end > 0 else { return (0, 0) }
    guard end <= Gas.maxMemory else { throw .outOfGas }
    if end > UInt64(memoryCount) { try grow(to: Int(end)) }
    return (Int(start.limb0), Int(count.limb0))
  }

  /// Where a range of the memory ends; 0 for an empty one, which may begin anywhere.
  /// - Throws: where neither the end nor that of its last word of 32 bytes is a number of 64 bits
  ///   (go-ethereum, core/vm/common.go).
  static func memoryEnd(_ start: Word, _ count: Word) throws(Failure) -> UInt64 {
    guard count.fits64Bits else { throw .memoryRangeOverflow }
    guard count.limb0 > 0 else { return 0 }
    guard start.fits64Bits else { throw .memoryRangeOverflow }
    let (end, overflow) = start.limb0.addingReportingOverflow(count.limb0)
    guard !overflow, end <= .max - 31 else { throw .memoryRangeOverflow }
    return end
  }

  @inline(never)
  func grow(to end: Int) throws(Failure) {
    guard end <= Int(Gas.maxMemory) else { throw .outOfGas }
    let words = Gas.words(end)
    try charge(Gas.memory(words: words) - Gas.memory(words: UInt64(memoryCount / 32)))
    let count = Int(words) * 32
    if count > memoryCapacity {
      memoryCapacity = max(count, memoryCapacity * 2)
      let larger = UnsafeMutableRawPointer.allocate(byteCount: memoryCapacity, alignment: 32)
      larger.copyMemory(from: memory, byteCount: memoryCount)
      memory.deallocate()
      memory = larger
    }
    (memory + memoryCount).initializeMemory(
      as: UInt8.self, repeating: 0, count: count - memoryCount)
    memoryCount = count
  }

  /// Fills memory from a source that reads as zeros beyond its end.
  func copy(
    _ source: UnsafeRawPointer?, _ sourceCount: Int, from start: Word, to target: Int, count: Int
  ) {
    guard count > 0 else { return }
    let begin = start.fits64Bits ? Int(min(start.limb0, UInt64(sourceCount))) : sourceCount
    let available = min(count, sourceCount - begin)
    if available > 0, let source {
      (memory + target).copyMemory(from: source + begin, byteCount: available)
    }
    (memory + target + available).initializeMemory(
      as: UInt8.self, repeating: 0, count: count - available)
  }
}
