import EVM
import EthereumPrimitives
import PlumiseWire

/// Records every instruction of a transaction, in the form of go-ethereum's struct logger.
final class StructLogger: Tracer {
  /// What is recorded of each instruction.
  struct Options: Sendable {
    var memory = false
    var stack = true
    var storage = true
    var returnData = false
    /// The most instructions that are recorded; 0 for all.
    var limit = 0
    /// How long instructions are recorded; a longer run has no answer.
    var timeout = Duration.seconds(5)
  }

  private struct Entry {
    let pc: Int
    let opcode: UInt8
    let gas: UInt64
    let cost: UInt64
    let depth: Int
    let refund: Int64
    let stack: [Word]
    let memory: [UInt8]
    let returnData: [UInt8]
    /// The slots of the contract that were read and written so far, at an instruction that does.
    let storage: [Word: Word]?
    let error: Failure?
  }

  private let options: Options
  private var entries: [Entry] = []
  private var storage: [Address: [Word: Word]] = [:]

  /// How many instructions run between two looks at the clock.
  private static let stepsBetweenChecks = 1024

  private let deadline: ContinuousClock.Instant
  private var steps = 0
  /// Whether the time was up, so that instructions are missing.
  private(set) var isTimedOut = false

  init(_ options: Options) {
    self.options = options
    deadline = .now + options.timeout
  }

  func step(_ step: TraceStep) {
    steps &+= 1
    if steps.isMultiple(of: Self.stepsBetweenChecks), ContinuousClock.now >= deadline {
      isTimedOut = true
      entries = []
    }
    guard !isTimedOut, options.limit == 0 || entries.count < options.limit else { return }
    entries.append(
      Entry(
        pc: step.pc, opcode: step.opcode, gas: step.gas, cost: step.cost, depth: step.depth + 1,
        refund: step.refund, stack: options.stack ? Array(step.stack) : [],
        memory: options.memory ? Array(step.memory) : [],
        returnData: options.returnData ? Array(step.returnData) : [],
        storage: options.storage ? access(step) : nil, error: step.error))
  }

  /// Notes the slot that an instruction reads or writes, also when it cannot be paid for.
  /// - Returns: the contract's slots so far; nil for an instruction that accesses none.
  private func access(_ step: TraceStep) -> [Word: Word]? {
    let count = step.stack.count
    let isWrite = step.opcode == 0x55 && count >= 2
    guard let slot = step.stack.last, let value = isWrite ? step.stack[count - 2] : step.loaded
    else { return nil }
    storage[step.address, default: [:]][slot] = value
    return storage[step.address]
  }

  /// The recorded instructions, in order.
  var json: JSON { .array(entries.map(object)) }

  private func object(_ entry: Entry) -> JSON {
    var object: JSONObject = [
      "pc": .integer(Int64(entry.pc)), "op": .string(Opcode.name(of: entry.opcode)),
      "gas": .integer(entry.gas), "gasCost": .integer(entry.cost),
      "depth": .integer(Int64(entry.depth)),
    ]
    if let error = entry.error { object["error"] = .string("\(error)") }
    if options.stack { object["stack"] = .array(entry.stack.map { .quantity($0) }) }
    if options.returnData, !entry.returnData.isEmpty {
      object["returnData"] = .hex(entry.returnData)
    }
    if options.memory {
      let words = stride(from: 0, to: entry.memory.count, by: 32).map { start in
        JSON.string(String(Hex.encode(entry.memory[start..<(start + 32)]).dropFirst(2)))
      }
      object["memory"] = .array(words)
    }
    if let storage = entry.storage {
      object["storage"] = .object(
        JSONObject(
          uniqueMembers: storage.sorted { $0.key < $1.key }.map {
            (Self.digits($0.key), .string(Self.digits($0.value)))
          }))
    }
    if entry.refund != 0 { object["refund"] = .integer(entry.refund) }
    return .object(object)
  }

  private static func digits(_ word: Word) -> String {
    String(Hash32(word: word).hex.dropFirst(2))
  }
}
