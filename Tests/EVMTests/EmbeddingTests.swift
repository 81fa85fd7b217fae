import EVM
import EVMConformance
import EthereumPrimitives
import Testing

/// Counts its calls in state of its own, pays whoever calls, and fails when it is told to.
private final class Counter: NativeState, @unchecked Sendable {
  // Each test runs its own on one thread.
  var count = 0
  private var moments: [Int] = []

  func snapshot() -> Int {
    moments.append(count)
    return moments.count - 1
  }

  func revert(to snapshot: Int) { count = moments[snapshot] }
}

private struct CountingContract: NativeContract {
  let counter: Counter

  func run(_ call: NativeCall, in host: NativeHost) -> NativeResult {
    counter.count += 1
    guard host.transfer(1, from: call.contract, to: call.caller) else {
      return .failed("it owns nothing")
    }
    host.setStorage(at: call.contract, slot: 1, to: Word(UInt64(counter.count)))
    host.emit(Log(address: call.contract, topics: [], data: Array(call.input)))
    switch call.input.first {
    case 1: return .reverted([9], gas: 10)
    case 2: return .failed("refused")
    case 3: return .returned([], gas: .max)
    default: return .returned([7], gas: 10)
    }
  }
}

@Suite("Contracts of the embedder's")
struct EmbeddingTests {
  private static let address = Address.precompile(0x20)

  private func call(_ input: [UInt8], _ counter: Counter) -> CallOutcome {
    var state = MapState()
    state.accounts[Self.address] = .init(AccountState(balance: 100))
    return VirtualMachine(
      fork: .london, natives: [Self.address: CountingContract(counter: counter)]
    ).call(
      Self.address, from: Bytecode.caller, input: input, gas: 1_000, on: state,
      in: BlockContext(chainID: 1), native: counter)
  }

  @Test("What one returns is kept: balance, storage, logs, and state of its own")
  func kept() {
    let counter = Counter()
    let outcome = call([0], counter)
    #expect(outcome.completion == .returned)
    #expect(outcome.output == [7])
    #expect(outcome.gasUsed == 10)
    #expect(outcome.logs == [Log(address: Self.address, topics: [], data: [0])])
    #expect(counter.count == 1)
    guard case .written(let write) = outcome.effects.accounts[Self.address] else {
      Issue.record("nothing was written")
      return
    }
    #expect(write.account.balance == 99)
    #expect(write.storage == [1: 1])
  }

  @Test(
    "What one undoes is undone everywhere",
    arguments: [
      (1, .reverted, 10), (2, .failed(.inputRefused("refused")), 1_000),
      (3, .failed(.outOfGas), 1_000),
    ] as [(UInt8, Completion, UInt64)])
  func undone(_ input: UInt8, _ completion: Completion, _ gas: UInt64) {
    let counter = Counter()
    let outcome = call([input], counter)
    #expect(outcome.completion == completion)
    #expect(outcome.output == (completion == .reverted ? [9] : []))
    #expect(outcome.gasUsed == gas)
    #expect(outcome.logs.isEmpty)
    #expect(outcome.effects.accounts.isEmpty)
    #expect(counter.count == 0)
  }

  @Test("Bytecode calls one like any other contract, and its failure undoes both")
  func fromBytecode() {
    let counter = Counter()
    var state = Bytecode.state(
      // CALL 0x20, then fail.
      [0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0x20, 0x61, 0xff, 0xff, 0xf1, 0xfe])
    state.accounts[Self.address] = .init(AccountState(balance: 100))
    let outcome = VirtualMachine(
      fork: .london, natives: [Self.address: CountingContract(counter: counter)]
    ).call(
      Bytecode.address, from: Bytecode.caller, gas: 100_000, on: state,
      in: BlockContext(chainID: 1), native: counter)
    #expect(outcome.completion == .failed(.undefinedOpcode(0xfe)))
    #expect(outcome.effects.accounts.isEmpty)
    #expect(counter.count == 0)
  }
}

extension EmbeddingTests {
  @Test("One that writes in a static call fails, and is undone")
  func staticCall() {
    let counter = Counter()
    var state = Bytecode.state(
      // STATICCALL 0x20, and return whether it succeeded.
      [0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0x20, 0x61, 0xff, 0xff, 0xfa] + Bytecode.returnTop)
    state.accounts[Self.address] = .init(AccountState(balance: 100))
    let outcome = VirtualMachine(
      fork: .london, natives: [Self.address: CountingContract(counter: counter)]
    ).call(
      Bytecode.address, from: Bytecode.caller, gas: 100_000, on: state,
      in: BlockContext(chainID: 1), native: counter)
    #expect(outcome.completion == .returned)
    #expect(outcome.output == [UInt8](repeating: 0, count: 32))
    #expect(outcome.gasUsed > 0xffff)
    #expect(outcome.effects.accounts.isEmpty)
    #expect(counter.count == 0)
  }
}

/// Writes down what it sees.
private final class Recorder: Tracer {
  var steps: [String] = []
  var calls: [String] = []

  func step(_ step: TraceStep) {
    steps.append("\(step.depth):\(step.pc):\(Opcode.name(of: step.opcode)):\(step.stack.count)")
  }
  func enter(_ call: TraceCall) { calls.append("\(call.kind.rawValue) \(call.depth) \(call.gas)") }
  func leave(_ result: TraceResult) { calls.append("\(result.completion) \(result.gasUsed)") }
}

@Suite("Tracing")
struct TracingTests {
  @Test("A tracer sees every step and every call, and changes nothing")
  func recorded() {
    let code: [UInt8] = [
      0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0xdd, 0x61, 0x10, 0x00, 0xfa, 0x00,
    ]
    let others: [Address: [UInt8]] = [.precompile(0xdd): [0x60, 0, 0x60, 0, 0xfd]]
    let recorder = Recorder()
    let traced = Bytecode.run(code, others: others, tracer: recorder)
    #expect(traced.gasUsed == Bytecode.run(code, others: others).gasUsed)
    #expect(
      recorder.steps == [
        "0:0:PUSH1:0", "0:2:PUSH1:1", "0:4:PUSH1:2", "0:6:PUSH1:3", "0:8:PUSH1:4", "0:10:PUSH2:5",
        "0:13:STATICCALL:6", "1:0:PUSH1:0", "1:2:PUSH1:1", "1:4:REVERT:2", "0:14:STOP:1",
      ])
    #expect(
      recorder.calls == [
        "CALL 0 1000000", "STATICCALL 1 4096", "reverted 6", "returned \(traced.gasUsed)",
      ])
  }

  @Test("Code that may only read pays for a write before the write is refused")
  func refusedWrites() {
    let zeros = { (count: Int) -> [UInt8] in (0..<count).flatMap { _ in [0x60, 0] as [UInt8] } }
    // Instructions that write, and what they and their operands cost at least.
    let writers: [(code: [UInt8], gas: UInt16)] = [
      ([0x60, 1, 0x60, 1, 0x55], 6 + 22_100), (zeros(2) + [0xa0], 6 + 375),
      (zeros(3) + [0xf0], 9 + 32_000), (zeros(4) + [0xf5], 12 + 32_000),
      ([0x60, 0xee, 0xff], 3 + 5_000 + 2_600),
      (zeros(4) + [0x60, 1, 0x60, 0xee, 0x60, 0, 0xf1], 21 + 2_600 + 9_000 + 25_000),
    ]
    for (writer, gas) in writers {
      for (given, failure) in [(gas, Failure.writeProtection), (gas - 1, .outOfGas)] {
        let recorder = Recorder()
        let code: [UInt8] =
          zeros(4) + [0x60, 0xdd, 0x61, UInt8(given >> 8), UInt8(given & 0xff), 0xfa]
        _ = Bytecode.run(code, others: [.precompile(0xdd): writer], tracer: recorder)
        #expect(recorder.calls.contains("\(Completion.failed(failure)) \(given)"), "\(writer)")
      }
    }
  }

  @Test("A call that runs no code is seen too")
  func withoutCode() {
    let recorder = Recorder()
    // CALL of the identity contract, and of an account without code.
    let call: [UInt8] = [0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0, 0x60, 0]
    _ = Bytecode.run(
      call + [0x60, 4, 0x60, 99, 0xf1] + call + [0x60, 0xdd, 0x60, 99, 0xf1], tracer: recorder)
    #expect(
      recorder.calls.dropFirst().dropLast() == [
        "CALL 1 99", "returned 15", "CALL 1 99", "returned 0",
      ])
  }
}
