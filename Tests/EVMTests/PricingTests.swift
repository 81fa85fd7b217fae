import EVM
import EVMConformance
import EthereumPrimitives
import Testing

/// Notes the steps of the outermost frame, and the gas that their calls handed over and used.
private final class StepRecorder: Tracer {
  struct Step {
    let opcode: UInt8
    let gas: UInt64
    let cost: UInt64
    let error: Failure?
    let refund: Int64
    let loaded: Word?
    /// The gas that comes back from the call that it makes, if it makes one.
    var returned: Int64 = 0
  }

  var steps: [Step] = []
  var calls: [TraceCall] = []
  private var depth = 0

  func step(_ step: TraceStep) {
    guard step.depth == 0 else { return }
    steps.append(
      Step(
        opcode: step.opcode, gas: step.gas, cost: step.cost, error: step.error,
        refund: step.refund, loaded: step.loaded))
  }

  func enter(_ call: TraceCall) {
    depth += 1
    calls.append(call)
    // The cost of a creation does not have the gas that it hands over.
    let isCreation = call.kind == .create || call.kind == .create2
    if depth == 2, !isCreation { steps[steps.count - 1].returned += Int64(call.gas) }
  }

  func leave(_ result: TraceResult) {
    depth -= 1
    if depth == 1 { steps[steps.count - 1].returned -= Int64(result.gasUsed) }
  }
}

@Suite("What instructions cost, as tracers are told")
struct PricingTests {
  private static let loadingFarMemory: [UInt8] = Bytecode.push(.max) + [0x51]

  private func steps(
    _ code: [UInt8], gas: UInt64 = 100_000, fork: Hardfork = .london
  ) -> [StepRecorder.Step] {
    let recorder = StepRecorder()
    _ = Bytecode.run(code, fork, gas: gas, tracer: recorder)
    return recorder.steps
  }

  // By go-ethereum 1.13.15's EVMInterpreter.Run: the constant part of an instruction that the stack
  // stops, the whole price of one that the gas stops, and no error where the run itself fails.
  @Test(
    "An instruction that fails has geth's cost, and geth's error or none",
    arguments: [
      ([0x01], 100, 3, .stackUnderflow(height: 0, needed: 2)),
      ([0xfe], 100, 0, nil), ([0x0c], 100, 0, nil),
      ([0x60, 0, 0x56], 100, 8, nil), ([0x60, 0, 0x56], 5, 8, .outOfGas),
      // The sentry of EIP-2200 comes before the price.
      ([0x60, 1, 0x60, 0, 0x55], 500, 0, .outOfGas),
      ([0x60, 1, 0x60, 0, 0x55], 5_000, 22_100, .outOfGas),
      // A log's price has no constant part.
      ([0xa0], 100, 0, .stackUnderflow(height: 0, needed: 2)),
      // 375, 8 a byte, and 3 for a word of memory.
      ([0x60, 32, 0x60, 0, 0xa0], 100, 634, .outOfGas),
      ([0x60, 1, 0x54], 100, 2_100, .outOfGas),
      // EXP of an exponent of a byte.
      ([0x60, 1, 0x60, 2, 0x0a], 20, 60, .outOfGas),
      // A memory that has no price: what is constant remains.
      (Self.loadingFarMemory, 100, 3, .memoryRangeOverflow),
      // 32 000 is constant; of the gas handed over nothing is known yet.
      ([0x60, 0, 0x60, 0, 0x60, 0, 0xf0], 100_000, 32_000, nil),
      ([0x60, 0, 0x60, 0, 0x60, 0, 0xf0], 100, 32_000, .outOfGas),
      // A cold account that cannot be paid for ends CALL's price at its constant part.
      ([0x59, 0x59, 0x59, 0x59, 0x59, 0x60, 0xdd, 0x5a, 0xf1], 1_000, 100, .outOfGas),
    ] as [([UInt8], UInt64, UInt64, Failure?)])
  func failures(_ code: [UInt8], _ gas: UInt64, _ cost: UInt64, _ error: Failure?) throws {
    // Code that runs off its end stops: the instruction is the last one before.
    let last = try #require(steps(code, gas: gas).last { $0.opcode != 0 })
    #expect(last.opcode == code.last)
    #expect(last.cost == cost)
    #expect(last.error == error)
  }

  @Test("A call's cost has the gas that it hands over, not the stipend")
  func handedOver() throws {
    // CALL 0xdd with 16 gas: 100, 2500 for the cold account, 16.
    let call: [UInt8] = [0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0xdd, 0x60, 16, 0xf1]
    #expect(steps(call).first { $0.opcode == 0xf1 }?.cost == 2_616)
    // With all gas, of 100 000 less seven pushes: 63 64ths of what 2600 leaves (EIP-150).
    let all = Array(call.dropLast(3)) + [0x5a, 0xf1]
    let left: UInt64 = 100_000 - 6 * 3 - 2 - 2_600
    #expect(steps(all).first { $0.opcode == 0xf1 }?.cost == 2_600 + left - left / 64)
    // Beyond the balance it costs the same, with 9000 for the value and 25 000 for a new account, and
    // no call is reported.
    var rich = call
    rich[9] = 1
    let recorder = StepRecorder()
    _ = Bytecode.run(rich, .london, gas: 100_000, tracer: recorder)
    #expect(recorder.steps.first { $0.opcode == 0xf1 }?.cost == 2_616 + 34_000)
    #expect(recorder.calls.map(\.depth) == [0])
  }

  @Test("The refund of a write and the value of a read are known before they happen")
  func storage() throws {
    // Slot 0 becomes 1 and 0 again: 20 000 - 100 come back (EIP-2200); then it is read.
    let seen = steps([0x60, 1, 0x60, 0, 0x55, 0x60, 0, 0x60, 0, 0x55, 0x60, 0, 0x54])
    let accesses = seen.filter { [0x54, 0x55].contains($0.opcode) }
    #expect(accesses.map(\.refund) == [0, 19_900, 19_900])
    #expect(accesses.map(\.cost) == [22_100, 100, 100])
    #expect(accesses.map(\.loaded) == [nil, nil, 0])
  }

  @Test("SELFDESTRUCT is reported as a call of the beneficiary with the balance")
  func destruction() throws {
    let recorder = StepRecorder()
    _ = Bytecode.run([0x60, 0xdd, 0xff], value: 5, tracer: recorder)
    let call = try #require(recorder.calls.last)
    #expect(call.kind == .selfdestruct && call.depth == 1 && call.gas == 0 && call.value == 5)
    #expect(call.caller == Bytecode.address && call.contract == .precompile(0xdd))
    // 5000, 2600 for the cold account, 25 000 for the new one.
    #expect(recorder.steps.last?.cost == 32_600)
  }

  @Test("DELEGATECALL comes from the contract that makes it")
  func delegation() {
    let recorder = StepRecorder()
    let code: [UInt8] = [0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0xdd, 0x60, 16, 0xf4]
    _ = Bytecode.run(code, others: [.precompile(0xdd): [0x00]], value: 5, tracer: recorder)
    #expect(recorder.calls.map(\.caller) == [Bytecode.caller, Bytecode.address])
    #expect(recorder.calls.last?.value == 5)
  }

  @Test("In random code the cost is the gas that is taken", arguments: Hardfork.allCases)
  func agreement(_ fork: Hardfork) {
    var state: UInt64 = 41_956
    func random(_ bound: UInt64) -> UInt8 {
      // Knuth's multiplier for MMIX; the high bits are the better ones.
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return UInt8((state >> 33) % bound)
    }
    let opcodes: [UInt8] = [
      0x01, 0x0a, 0x20, 0x31, 0x37, 0x39, 0x3b, 0x3c, 0x3e, 0x3f, 0x51, 0x52, 0x53, 0x54, 0x55,
      0x5c, 0x5d, 0x5e, 0xa0, 0xa2, 0xf0, 0xf1, 0xf2, 0xf4, 0xf5, 0xfa, 0xf3, 0xfd, 0xff,
    ]
    for _ in 0..<300 {
      var code: [UInt8] = []
      for _ in 0..<20 {
        for _ in 0..<7 { code += [0x60, random(4) == 0 ? random(250) : random(3)] }
        code.append(opcodes[Int(random(UInt64(opcodes.count)))])
      }
      let recorder = StepRecorder()
      let gas = 1_000 * (1 + UInt64(random(200)))
      let outcome = Bytecode.run(code, fork, value: 3, gas: gas, tracer: recorder)
      for (step, next) in zip(recorder.steps, recorder.steps.dropFirst()) {
        #expect(step.error == nil)
        // A call that could not begin gives all of its gas back.
        let difference = Int64(step.gas) - Int64(step.cost) + step.returned
        let isCall = step.opcode >= 0xf0 && step.returned == 0
        #expect(isCall || Int64(next.gas) == difference, "\(step), \(code)")
      }
      let last = recorder.steps.last
      if outcome.completion == .failed(.outOfGas) { #expect(last?.error == .outOfGas) }
      if outcome.completion == .returned { #expect(last?.error == nil) }
    }
  }
}
