import EVM
import EthereumPrimitives
import PlumiseWire

/// Records the tree of calls of a transaction, in the form of go-ethereum's `callTracer`.
final class CallTracer: Tracer {
  /// One call or creation, with those it made.
  struct Frame {
    let kind: CallKind
    let caller: Address
    let contract: Address
    let value: Word
    var gas: UInt64
    var gasUsed: UInt64 = 0
    let input: [UInt8]
    var output: [UInt8] = []
    var completion = Completion.returned
    var calls: [Frame] = []
    /// Its events, each with the number of calls before it; none when it failed.
    var logs: [(log: Log, position: Int)] = []
  }

  private var open: [Frame] = []
  /// The transaction's own call, once it has ended.
  private(set) var root: Frame?
  private let onlyTopCall: Bool
  private let withLog: Bool

  /// - Parameters:
  ///   - onlyTopCall: whether the calls that the transaction's own call makes are left out.
  ///   - withLog: whether events are recorded; those of native contracts never are.
  init(onlyTopCall: Bool = false, withLog: Bool = false) {
    self.onlyTopCall = onlyTopCall
    self.withLog = withLog
  }

  func step(_ step: TraceStep) {
    let index = open.count - 1
    if withLog, let log = Log(step) { open[index].logs.append((log, open[index].calls.count)) }
  }

  func enter(_ call: TraceCall) {
    open.append(
      Frame(
        kind: call.kind, caller: call.caller, contract: call.contract, value: call.value,
        gas: call.gas, input: Array(call.input)))
  }

  func leave(_ result: TraceResult) {
    guard var frame = open.popLast() else { return }
    frame.gasUsed = result.gasUsed
    frame.output = Array(result.output)
    frame.completion = result.completion
    if result.completion != .returned { frame.removeLogs() }
    if open.isEmpty {
      root = frame
    } else if !onlyTopCall {
      open[open.count - 1].calls.append(frame)
    }
  }
}

extension Log {
  /// The event that an instruction is about to emit; nil for other instructions, and for those that
  /// will fail.
  fileprivate init?(_ step: TraceStep) {
    let stack = step.stack
    let topicCount = Int(step.opcode) - 0xa0
    guard (0...4).contains(topicCount), stack.count >= topicCount + 2,
      let offset = stack[stack.count - 1].exactUInt64().flatMap({ Int(exactly: $0) }),
      let size = stack[stack.count - 2].exactUInt64().flatMap({ Int(exactly: $0) }),
      step.error == nil
    else { return nil }
    let kept = step.memory.dropFirst(min(offset, step.memory.count)).prefix(size)
    self.init(
      address: step.address,
      topics: (0..<topicCount).map { Hash32(word: stack[stack.count - 3 - $0]) },
      data: Array(kept) + [UInt8](repeating: 0, count: size - kept.count))
  }
}

extension CallTracer.Frame {
  /// Events that were undone are no events.
  fileprivate mutating func removeLogs() {
    logs = []
    for index in calls.indices { calls[index].removeLogs() }
  }

  private static func json(_ log: Log, _ position: Int) -> JSON {
    [
      "address": .address(log.address), "topics": .array(log.topics.map { .hash($0) }),
      "data": .hex(log.data), "position": .quantity(UInt64(position)),
    ]
  }

  /// The frame as `callTracer` writes it.
  var json: JSON {
    var object: JSONObject = [
      "from": .address(caller), "gas": .quantity(gas), "gasUsed": .quantity(gasUsed),
    ]
    let isCreation = kind == .create || kind == .create2
    if completion == .returned || !isCreation { object["to"] = .address(contract) }
    object["input"] = .hex(input)
    switch completion {
    case .returned: if !output.isEmpty { object["output"] = .hex(output) }
    case .reverted:
      if !output.isEmpty { object["output"] = .hex(output) }
      object["error"] = "execution reverted"
      if let reason = RevertReason(output) { object["revertReason"] = .string(reason.text) }
    case .failed(let failure): object["error"] = .string("\(failure)")
    }
    if !calls.isEmpty { object["calls"] = .array(calls.map(\.json)) }
    if !logs.isEmpty { object["logs"] = .array(logs.map { Self.json($0.log, $0.position) }) }
    if kind != .staticcall { object["value"] = .quantity(value) }
    object["type"] = .string(kind.rawValue)
    return .object(object)
  }
}

/// The reason in the data of a revert: `Error(string)` or `Panic(uint256)` of Solidity.
struct RevertReason {
  /// As go-ethereum's `abi.UnpackRevert` gives it.
  let text: String

  /// - Returns: nil when the data is neither.
  init?(_ data: [UInt8]) {
    if let reason = ABI.decodeError(data) {
      text = reason
      return
    }
    guard data.count == 36, Array(data[..<4]) == ABI.selector("Panic(uint256)"),
      let code = try? Word(bigEndian: data[4...])
    else { return nil }
    text =
      code.exactUInt64().flatMap { Self.panics[$0] }
      ?? "unknown panic code: \(Quantity.encode(code))"
  }

  /// The meanings of Solidity's panic codes (Solidity, "Panic via assert and Error via require"), in
  /// go-ethereum's words.
  private static let panics: [UInt64: String] = [
    0x00: "generic panic", 0x01: "assert(false)", 0x11: "arithmetic underflow or overflow",
    0x12: "division or modulo by zero", 0x21: "enum overflow",
    0x22: "invalid encoded storage byte array accessed",
    0x31: "out-of-bounds array access; popping on an empty array",
    0x32: "out-of-bounds access of an array or bytesN", 0x41: "out of memory",
    0x51: "uninitialized function",
  ]
}
