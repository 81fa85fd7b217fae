import JSONValues
import TextKeys

/// One tensor as a safetensors header describes it.
struct SafetensorsEntry: Hashable, Sendable {
  let name: String
  let type: SafetensorsType
  let shape: [Int]
  /// Bytes within the data that follow the header.
  let bytes: Range<Int>
}

/// The header of a safetensors file, checked against the file's length.
///
/// Layout: the header's length as 64 bits, little-endian; the header, a JSON object; the data, which
/// the tensors cover without gap or overlap (https://huggingface.co/docs/safetensors).
struct SafetensorsHeader: Sendable {
  /// The format's own limit, which keeps a hostile length from being believed.
  static let longest = 100_000_000

  let entries: [SafetensorsEntry]
  let metadata: TextDictionary<String>
  /// Where the data starts in the file.
  let dataStart: Int

  init(_ file: UnsafeRawBufferPointer, path: String) throws(CheckpointError) {
    guard file.count >= 8 else {
      throw .truncatedHeader(path: path, expected: 8, found: file.count)
    }
    let length = UInt64(littleEndian: file.loadUnaligned(as: UInt64.self))
    guard length <= UInt64(Self.longest) else {
      throw .malformedHeader(
        path: path, tensor: nil, expected: "a length up to \(Self.longest)", found: "\(length)")
    }
    dataStart = 8 + Int(length)
    guard dataStart <= file.count else {
      throw .truncatedHeader(path: path, expected: dataStart, found: file.count)
    }
    let header: JSON
    do {
      header = try JSON.parse(
        UnsafeRawBufferPointer(rebasing: file[8..<dataStart]), dialect: .python)
    } catch {
      throw .malformedJSON(path: path, reason: "header: \(error.detail)")
    }
    guard let members = header.objectValue?.members else {
      throw .malformedHeader(
        path: path, tensor: nil, expected: "an object", found: header.summary)
    }
    var metadata: TextDictionary<String> = [:]
    var entries: [SafetensorsEntry] = []
    for member in members {
      if member.key == "__metadata__" {
        for pair in member.value.objectValue?.members ?? [] {
          metadata[pair.key] = pair.value.stringValue
        }
      } else {
        entries.append(try Self.entry(member.key, member.value, path: path))
      }
    }
    self.metadata = metadata
    self.entries = entries.sorted {
      ($0.bytes.lowerBound, $0.bytes.upperBound, TextKey($0.name))
        < ($1.bytes.lowerBound, $1.bytes.upperBound, TextKey($1.name))
    }
    try Self.check(self.entries, available: file.count - dataStart, path: path)
  }

  private static func entry(
    _ name: String, _ node: JSON, path: String
  ) throws(CheckpointError) -> SafetensorsEntry {
    func fault(_ expected: String, _ found: JSON?) -> CheckpointError {
      .malformedHeader(
        path: path, tensor: name, expected: expected, found: found?.summary ?? "nothing")
    }
    guard let typeName = node["dtype"]?.stringValue else {
      throw fault("dtype", node["dtype"])
    }
    let type = SafetensorsType(rawValue: typeName)
    func sizes(_ field: String) throws(CheckpointError) -> [Int] {
      guard let elements = node[field]?.arrayValue else {
        throw fault("\(field), an array", node[field])
      }
      var sizes: [Int] = []
      for element in elements {
        guard let size = element.intValue, size >= 0 else {
          throw fault("\(field) of whole numbers from 0 to \(Int.max)", element)
        }
        sizes.append(size)
      }
      return sizes
    }
    let shape = try sizes("shape")
    let offsets = try sizes("data_offsets")
    guard offsets.count == 2, offsets[0] <= offsets[1] else {
      throw fault("data_offsets, two ascending offsets", node["data_offsets"])
    }
    let bytes = offsets[0]..<offsets[1]
    // The elements of a type that nobody here knows may be of any size.
    if let bits = type.bits {
      guard let length = length(of: shape, bits) else {
        throw fault("a shape of less than 2^63 bits", node["shape"])
      }
      // Elements smaller than a byte fill whole bytes together.
      guard length.isMultiple(of: 8) else {
        throw fault("a shape of whole bytes, with \(bits) bits an element", node["shape"])
      }
      guard length / 8 == bytes.count else {
        let isWeight = type.elementType != nil || type == .i8
        throw .wrongLength(
          path: path, tensor: name,
          type: typeName + (isWeight ? "" : " (weights are F32, F16, BF16 or I8)"),
          expected: length / 8, found: bytes.count)
      }
    }
    return SafetensorsEntry(name: name, type: type, shape: shape, bytes: bytes)
  }

  /// Bits of a tensor; nil when they are too many to count.
  private static func length(of shape: [Int], _ bits: Int) -> Int? {
    if shape.contains(0) { return 0 }
    var length = bits
    for size in shape {
      let (product, overflow) = length.multipliedReportingOverflow(by: size)
      if overflow { return nil }
      length = product
    }
    return length
  }

  /// Entries must come sorted by their offsets.
  private static func check(
    _ entries: [SafetensorsEntry], available: Int, path: String
  ) throws(CheckpointError) {
    for entry in entries where entry.bytes.upperBound > available {
      throw .outsideFile(
        path: path, tensor: entry.name, bytes: entry.bytes, available: available,
        needed: length(of: entries))
    }
    var covered = 0
    var last = ""
    for entry in entries where !entry.bytes.isEmpty {
      if entry.bytes.lowerBound < covered {
        throw .overlappingTensors(path: path, tensor: entry.name, other: last)
      }
      if entry.bytes.lowerBound > covered {
        throw .unclaimedBytes(path: path, bytes: covered..<entry.bytes.lowerBound)
      }
      covered = entry.bytes.upperBound
      last = entry.name
    }
    if covered < available { throw .unclaimedBytes(path: path, bytes: covered..<available) }
  }

  /// The bytes that sorted entries fill; nil when they leave gaps or overlap.
  private static func length(of entries: [SafetensorsEntry]) -> Int? {
    var covered = 0
    for entry in entries {
      guard entry.bytes.lowerBound == covered else { return nil }
      covered = entry.bytes.upperBound
    }
    return covered
  }
}
