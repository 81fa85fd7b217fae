import AsyncPrimitives
import Foundation
import Inflate
import TestVectors
import Testing
import TorchArchive

/// An archive that `torch.save` wrote; what it holds, unless it has to be refused.
struct RecordedArchive: Decodable, Sendable, CustomTestStringConvertible {
  let torch: String
  let name: String
  let shape: [Int]?
  let bits: String?
  let archive: Data

  var testDescription: String { "\(name), by torch \(torch)" }
  var bytes: [UInt8] { [UInt8](archive) }

  /// The elements; empty where the archive has to be refused.
  var values: [Float] {
    let digits = Array((bits ?? "").utf8)
    return stride(from: 0, to: digits.count, by: 4).compactMap { start in
      UInt32(String(decoding: digits[start..<start + 4], as: UTF8.self), radix: 16)
        .map { Float(bitPattern: $0 << 16) }
    }
  }

  static let all: [RecordedArchive] = {
    do {
      return try JSONDecoder().decode(
        [RecordedArchive].self, from: Data(contentsOf: TestVectors.torchArchives))
    } catch {
      Issue.record("\(error)")
      return []
    }
  }()

  static let read = all.filter { $0.shape != nil }
  static let refused = all.filter { $0.shape == nil }
}

/// Whether numbers are the same bit for bit, -0 and 0 apart.
private func areIdentical(_ left: [Float], _ right: [Float]) -> Bool {
  left.map(\.bitPattern) == right.map(\.bitPattern)
}

@Suite("Archives of torch.save")
struct TorchArchiveTests {
  @Test("There are archives of several versions, to be read and to be refused")
  func data() {
    #expect(Set(RecordedArchive.all.map(\.torch)).count >= 2)
    #expect(RecordedArchive.read.count >= 16)
    #expect(RecordedArchive.refused.count >= 20)
  }

  @Test("A bfloat16 tensor is read bit for bit", arguments: RecordedArchive.read)
  func reading(_ recorded: RecordedArchive) throws {
    let tensor = try TorchArchive(parsing: recorded.bytes)
    #expect(tensor.shape == recorded.shape)
    #expect(areIdentical(tensor.values, recorded.values))
  }

  @Test("Whatever else torch.save writes is refused", arguments: RecordedArchive.refused)
  func refusing(_ recorded: RecordedArchive) {
    #expect(throws: TorchArchiveError.self) { try TorchArchive(parsing: recorded.bytes) }
  }

  @Test(
    "A refusal says what was found",
    arguments: [
      ("float32", "torch FloatStorage, where a torch BFloat16Storage is expected"),
      ("transposed", "shape [3, 2] with strides [1, 3]: send a contiguous tensor"),
      ("parameter", "it names torch._utils _rebuild_parameter"),
      ("list", "opcode 0x5d where GLOBAL is expected"),
      ("before ZIP", "the end record is expected"),
    ])
  func reasons(name: String, reason: String) throws {
    let archives = RecordedArchive.refused.filter { $0.name == name }
    try #require(!archives.isEmpty)
    for recorded in archives {
      let error = #expect(throws: TorchArchiveError.self) {
        try TorchArchive(parsing: recorded.bytes)
      }
      #expect("\(try #require(error))".contains(reason))
    }
  }

  @Test("What is written is what torch writes, entry by entry", arguments: RecordedArchive.read)
  func writing(_ recorded: RecordedArchive) throws {
    // A slice is written with all of its storage, and a stride may be any where it is not used.
    guard !["slice", "any stride of one index", "with gradient"].contains(recorded.name) else {
      return
    }
    let shape = try #require(recorded.shape)
    let bytes = TorchArchive(shape: shape, values: recorded.values).bytes
    let (ours, theirs) = (entries(of: bytes), entries(of: recorded.bytes))
    #expect(Set(ours.keys).isSubset(of: theirs.keys))
    for name in ["data.pkl", "byteorder", "data/0", "version"] {
      let entry = try #require(ours["archive/\(name)"])
      #expect(entry == theirs["archive/\(name)"], "\(name)")
    }
    #expect(try TorchArchive(parsing: bytes) == TorchArchive(parsing: recorded.bytes))
  }

  @Test("Contents begin at multiples of 64 bytes, as torch's do, so that they can be mapped")
  func alignment() {
    let bytes = TorchArchive(shape: [1, 3, 5], values: .init(repeating: 1, count: 15)).bytes
    let starts = contents(of: bytes).values.map(\.lowerBound)
    #expect(starts.count == 4)
    #expect(starts.allSatisfy { $0.isMultiple(of: 64) })
  }

  @Test("A value is rounded to the nearest bfloat16, ties to even")
  func rounding() {
    let cases: [(UInt32, UInt16)] = [
      (0x3f80_0000, 0x3f80), (0x3f80_7fff, 0x3f80), (0x3f80_8000, 0x3f80), (0x3f80_8001, 0x3f81),
      (0x3f81_8000, 0x3f82), (0xbf81_8000, 0xbf82), (0x7f7f_7fff, 0x7f7f), (0x7f7f_8000, 0x7f80),
      (0x8000_0000, 0x8000), (0x0000_8001, 0x0001), (0x7f80_0000, 0x7f80),
    ]
    for (bits, expected) in cases { #expect(Float(bitPattern: bits).bfloat16 == expected) }
    #expect(Float(bitPattern: UInt32(Float.nan.bfloat16) << 16).isNaN)
    #expect(Float(bitPattern: UInt32(Float(bitPattern: 0x7f80_0001).bfloat16) << 16).isNaN)
  }
}

@Suite("Hostile archives of torch.save", .timeLimit(.minutes(2)))
struct HostileArchiveTests {
  let recorded: RecordedArchive

  init() throws {
    recorded = try #require(
      RecordedArchive.read.last { $0.name == "batch" }, "there is no archive to change")
  }

  /// Requires a refusal, or the tensor as it was: some bytes mean nothing, as the time of an entry.
  private func expectHarmless(_ bytes: [UInt8], _ what: @autoclosure () -> String) throws {
    do {
      let tensor = try TorchArchive(parsing: bytes)
      try #require(tensor.shape == recorded.shape, "\(what())")
      try #require(areIdentical(tensor.values, recorded.values), "\(what())")
    } catch is TorchArchiveError {
      return
    }
  }

  @Test("Any byte may have any of its bits turned without another tensor being read")
  func turnedBits() throws {
    for index in recorded.bytes.indices {
      for bit in 0..<8 {
        var bytes = recorded.bytes
        bytes[index] ^= 1 << UInt8(bit)
        try expectHarmless(bytes, "bit \(bit) of byte \(index)")
      }
    }
  }

  @Test("A part of an archive is refused, wherever it is cut")
  func cut() throws {
    for count in recorded.bytes.indices {
      #expect(throws: TorchArchiveError.self) {
        try TorchArchive(parsing: Array(recorded.bytes[..<count]))
      }
      if count > 0 {
        #expect(throws: TorchArchiveError.self) {
          try TorchArchive(parsing: Array(recorded.bytes[count...]))
        }
      }
    }
  }

  @Test("Bytes that were added, removed or overwritten give no other tensor")
  func slips() throws {
    for seed in 0..<3000 {
      var random = SeededGenerator(seed: UInt64(seed))
      try expectHarmless(random.mutation(of: recorded.bytes), "seed \(seed)")
    }
  }

  @Test("A pickle with a right checksum that says something else is refused or read in bounds")
  func changedPickles() throws {
    let pickle = try #require(contents(of: recorded.bytes)["archive/data.pkl"])
    let storage = try #require(contents(of: recorded.bytes)["archive/data/0"]).count / 2
    var readings = 0
    for index in pickle {
      for value in UInt8.min...UInt8.max where value != recorded.bytes[index] {
        var bytes = recorded.bytes
        bytes[index] = value
        guard let tensor = try? TorchArchive(parsing: sealed(bytes)) else { continue }
        readings += 1
        // Of the numbers, only such are read as stay in the storage.
        try #require(tensor.values.count == tensor.shape.reduce(1, *), "\(index): \(value)")
        try #require(tensor.values.count <= storage, "\(index): \(value)")
      }
    }
    #expect(readings > 0)
  }

  @Test(
    "A pickle that would call a function is refused without a call",
    arguments: [
      ("torch._utils\n_rebuild_tensor_v2\n", "posix\nsystem\nsystem\nsystem\nxxxx\n"),
      ("collections\nOrderedDict\n", "builtins___\neval_______\n"),
      ("torch\nBFloat16Storage\n", "torch\nload___________\n"),
    ])
  func calls(before: String, after: String) throws {
    let bytes = try replacing(before, with: after)
    let error = #expect(throws: TorchArchiveError.self) { try TorchArchive(parsing: bytes) }
    guard case .pickle = try #require(error) else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test(
    "An entry of another name, one there twice or one missing is refused",
    arguments: [
      ("archive/version", "archive/versiom"), ("archive/byteorder", "archive/data.pklx"),
      ("archive/data/0", "archive/data/1"), ("archive/data/0", "../../../etc/x"),
    ])
  func names(before: String, after: String) throws {
    let bytes = try replacing(before, with: after)
    #expect(throws: TorchArchiveError.self) { try TorchArchive(parsing: bytes) }
  }

  /// The archive with every occurrence of a text replaced by another of its length, and checksums
  /// that fit.
  private func replacing(_ before: String, with after: String) throws -> [UInt8] {
    let (old, new) = (Array(before.utf8), Array(after.utf8))
    try #require(old.count == new.count)
    var bytes = recorded.bytes
    var found = 0
    for start in 0...(bytes.count - old.count) where bytes[start...].starts(with: old) {
      bytes.replaceSubrange(start..<start + old.count, with: new)
      found += 1
    }
    try #require(found > 0)
    return sealed(bytes)
  }

  /// The archive with the checksum of `data.pkl` made right, in both places where it is.
  private func sealed(_ bytes: [UInt8]) -> [UInt8] {
    guard let pickle = contents(of: recorded.bytes)["archive/data.pkl"] else { return bytes }
    var sealed = bytes
    let checksum = withUnsafeBytes(of: CRC32.checksum(bytes[pickle]).littleEndian) { Array($0) }
    sealed.replaceSubrange(pickle.upperBound + 4..<pickle.upperBound + 8, with: checksum)
    let directory = directoryStart(of: bytes)
    sealed.replaceSubrange(directory + 16..<directory + 20, with: checksum)
    return sealed
  }
}

/// The number of `width` bytes at an offset.
private func number(_ bytes: [UInt8], _ offset: Int, _ width: Int) -> Int {
  bytes[offset..<offset + width].reversed().reduce(0) { $0 << 8 | Int($1) }
}

private func directoryStart(of bytes: [UInt8]) -> Int { number(bytes, bytes.count - 6, 4) }

/// Where the contents of each entry are, by the directory of an archive that is in order.
private func contents(of bytes: [UInt8]) -> [String: Range<Int>] {
  var contents: [String: Range<Int>] = [:]
  var position = directoryStart(of: bytes)
  while number(bytes, position, 4) == 0x0201_4b50 {
    let (size, length) = (number(bytes, position + 20, 4), number(bytes, position + 28, 2))
    let local = number(bytes, position + 42, 4)
    let name = String(decoding: bytes[position + 46..<position + 46 + length], as: UTF8.self)
    let start = local + 30 + number(bytes, local + 26, 2) + number(bytes, local + 28, 2)
    contents[name] = start..<start + size
    position += 46 + length
  }
  return contents
}

private func entries(of bytes: [UInt8]) -> [String: [UInt8]] {
  contents(of: bytes).mapValues { Array(bytes[$0]) }
}
