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
  }

  private struct Entry {
    let pc: Int
    let opcode: UInt8
    let gas: UInt64
    var cost: UInt64 = 0
    let depth: Int
    let refund: Int64
    let stack: [Word]
    let memory: [UInt8]
    let returnData: [UInt8]
    var storage: [Word: Word]?
    var error: Failure?
  }

  /// What is known of a call that runs.
  private struct Frame {
    let gas: UInt64
    let address: Address
    /// The entry of its latest instruction; nil when it has none, or it is not recorded.
    var latest: Int?
    /// Gas that the calls of the latest instruction gave back.
    var returned: UInt64 = 0
    /// The slot that the latest instruction reads, whose value the next one's stack has.
    var read: Word?
  }

  private let options: Options
  private var entries: [Entry] = []
  private var frames: [Frame] = []
  private var storage: [Address: [Word: Word]] = [:]

  init(_ options: Options) { self.options = options }

  func enter(_ call: TraceCall) {
    frames.append(Frame(gas: call.gas, address: call.address))
  }

  func step(_ step: TraceStep) {
    finishInstruction(gasLeft: step.gas, top: step.stack.last)
    let index = frames.count - 1
    frames[index].returned = 0
    frames[index].read = nil
    frames[index].latest = nil
    guard options.limit == 0 || entries.count < options.limit else { return }
    frames[index].latest = entries.count
    entries.append(
      Entry(
        pc: step.pc, opcode: step.opcode, gas: step.gas, depth: step.depth + 1,
        refund: step.refund, stack: options.stack ? Array(step.stack) : [],
        memory: options.memory ? Array(step.memory) : [],
        returnData: options.returnData ? Array(step.returnData) : []))
    guard options.storage, let slot = step.stack.last else { return }
    switch step.opcode {
    case 0x54: frames[index].read = slot
    case 0x55 where step.stack.count >= 2:
      storage[step.address, default: [:]][slot] = step.stack[step.stack.count - 2]
      entries[entries.count - 1].storage = storage[step.address]
    default: break
    }
  }

  func leave(_ result: TraceResult) {
    guard let frame = frames.last else { return }
    let left = frame.gas - min(result.gasUsed, frame.gas)
    if case .failed(let failure) = result.completion, let latest = frame.latest {
      entries[latest].error = failure
    }
    finishInstruction(gasLeft: left, top: nil)
    frames.removeLast()
    if !frames.isEmpty { frames[frames.count - 1].returned += left }
  }

  /// Notes what the latest instruction of the innermost call cost, calls included, and what it read.
  private func finishInstruction(gasLeft: UInt64, top: Word?) {
    guard let frame = frames.last, let latest = frame.latest else { return }
    let gas = entries[latest].gas.addingSaturating(frame.returned)
    entries[latest].cost = gas.subtractingSaturating(gasLeft)
    guard let slot = frame.read, let top else { return }
    storage[frame.address, default: [:]][slot] = top
    entries[latest].storage = storage[frame.address]
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
