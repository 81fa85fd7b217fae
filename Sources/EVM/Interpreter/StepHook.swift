import EthereumPrimitives

/// What the interpreter does before every instruction; the loop is compiled once for each kind.
protocol StepHook {
  func step(
    _ frame: Frame, place: Int, opcode: UInt8, gas: UInt64, top: UnsafeMutablePointer<Word>)
}

/// Nothing at all.
struct NoHook: StepHook {
  @inline(__always)
  func step(
    _ frame: Frame, place: Int, opcode: UInt8, gas: UInt64, top: UnsafeMutablePointer<Word>
  ) {}
}

/// Tells a tracer.
struct TracingHook: StepHook {
  let machine: Machine
  let tracer: any Tracer

  func step(
    _ frame: Frame, place: Int, opcode: UInt8, gas: UInt64, top: UnsafeMutablePointer<Word>
  ) {
    tracer.step(
      TraceStep(
        depth: machine.depth - 1, address: frame.address, place: place, opcode: opcode, gas: gas,
        refund: machine.journal.refund,
        stack: UnsafeBufferPointer(start: frame.stack, count: top - frame.stack),
        memory: UnsafeRawBufferPointer(start: frame.memory, count: frame.memoryCount),
        returnData: machine.output))
  }
}
