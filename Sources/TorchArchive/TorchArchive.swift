import Inflate

/// A bfloat16 tensor in the archive that `torch.save(tensor)` writes: ZIP, pickle and raw numbers.
///
/// Only that is read: a pickle is a program for a machine that can call any Python function, so the
/// reader expects the one program that describes such a tensor and refuses every other. The tensor
/// may be a view of a larger storage, as a slice is, if its elements follow each other in it.
/// Source: `torch/serialization.py`, `caffe2/serialize/inline_container.cc` of PyTorch, Python's
/// `pickletools`, and PKWARE's APPNOTE 6.3.10.
package struct TorchArchive: Hashable, Sendable {
  /// One to three dimensions, each at least 1.
  package let shape: [Int]
  /// The elements in row-major order; every bfloat16 is exactly one of these.
  package let values: [Float]

  /// A tensor of these values.
  ///
  /// - Precondition: the shape has one to three dimensions of at least 1 and as many elements as
  ///   there are values.
  package init(shape: [Int], values: [Float]) {
    precondition(
      (1...3).contains(shape.count) && shape.allSatisfy { $0 >= 1 }
        && shape.reduce(1, *) == values.count, "\(values.count) values for \(shape)")
    self.shape = shape
    self.values = values
  }

  /// Reads an archive.
  ///
  /// - Throws: ``TorchArchiveError`` for whatever `torch.save` does not write for a bfloat16 tensor
  ///   on the CPU, and for bytes that their checksum contradicts.
  package init(parsing bytes: [UInt8]) throws(TorchArchiveError) {
    let entries = try StoredZIP.read(bytes)
    for name in entries.keys where !Self.names.contains(name) {
      throw .entry(name: name, "torch.save writes no such entry for a tensor")
    }
    try Self.expect("archive/version", ["3\n"], in: entries, bytes)
    // Versions before 2.1 did not write it, and their numbers were the machine's, little-endian.
    if entries[Self.byteOrder] != nil {
      try Self.expect(Self.byteOrder, ["little"], in: entries, bytes)
    }
    let pickle = try Self.range("archive/data.pkl", in: entries)
    let tensor = try TensorPickle(parsing: bytes[pickle])
    let storage = try Self.range("archive/data/0", in: entries)
    guard storage.count == 2 * tensor.storageCount else {
      throw .entry(
        name: "archive/data/0",
        "\(storage.count) bytes are no \(tensor.storageCount) bfloat16 numbers")
    }
    let first = storage.lowerBound + 2 * tensor.offset
    shape = tensor.shape
    values = bytes.withUnsafeBytes { bytes in
      (0..<tensor.count).map { index in
        Float(bfloat16: bytes.loadUnaligned(fromByteOffset: first + 2 * index, as: UInt16.self))
      }
    }
  }

  /// The archive, as PyTorch 2.1 and newer write it; each value is rounded to the nearest bfloat16,
  /// ties to even.
  package var bytes: [UInt8] {
    let storage = values.withUnsafeBufferPointer { values in
      [UInt8](unsafeUninitializedCapacity: 2 * values.count) { target, count in
        for (index, value) in values.enumerated() {
          UnsafeMutableRawBufferPointer(target).storeBytes(
            of: value.bfloat16.littleEndian, toByteOffset: 2 * index, as: UInt16.self)
        }
        count = 2 * values.count
      }
    }
    return StoredZIP.write([
      ("archive/data.pkl", TensorPickle(shape: shape).bytes),
      ("archive/byteorder", Array("little".utf8)),
      ("archive/data/0", storage),
      ("archive/version", Array("3\n".utf8)),
    ])
  }

  private static let byteOrder = "archive/byteorder"
  private static let names: Set<String> = [
    "archive/data.pkl", byteOrder, "archive/data/0", "archive/version",
    "archive/.format_version", "archive/.storage_alignment", "archive/.data/serialization_id",
  ]

  private static func range(
    _ name: String, in entries: [String: Range<Int>]
  ) throws(TorchArchiveError) -> Range<Int> {
    guard let range = entries[name] else {
      throw .entry(name: name, "it is missing")
    }
    return range
  }

  private static func expect(
    _ name: String, _ texts: [String], in entries: [String: Range<Int>], _ bytes: [UInt8]
  ) throws(TorchArchiveError) {
    let text = bytes[try range(name, in: entries)]
    guard texts.contains(where: { text.elementsEqual($0.utf8) }) else {
      throw .entry(
        name: name, "\(text.prefix(16).printable) where \"\(texts[0].escaped)\" is expected")
    }
  }
}

extension Float {
  /// The value of a bfloat16 on a little-endian machine's wire: the upper half of a binary32.
  fileprivate init(bfloat16 bits: UInt16) {
    self.init(bitPattern: UInt32(UInt16(littleEndian: bits)) << 16)
  }

  /// The nearest bfloat16, ties to even; a NaN stays one.
  package var bfloat16: UInt16 {
    if isNaN { return UInt16(truncatingIfNeeded: bitPattern >> 16) | 0x40 }
    let isOdd = (bitPattern >> 16) & 1
    return UInt16(truncatingIfNeeded: (bitPattern &+ 0x7fff &+ isOdd) >> 16)
  }
}

/// Why bytes are not the archive of a bfloat16 tensor.
package enum TorchArchiveError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The ZIP container, apart from any entry.
  case container(String)
  /// An entry of the archive, by its name.
  case entry(name: String, String)
  /// The pickle, at an offset in `archive/data.pkl`.
  case pickle(offset: Int, String)

  /// One line that says where and what is wrong.
  package var description: String {
    switch self {
    case .container(let reason): "torch.save archive: \(reason)"
    case .entry(let name, let reason): "torch.save archive, entry \(name.escaped): \(reason)"
    case .pickle(let offset, let reason):
      "torch.save archive, entry archive/data.pkl, byte \(offset): \(reason)"
    }
  }
}

extension String {
  /// The text on one line: what is no visible ASCII is written as Swift does.
  var escaped: String { unicodeScalars.map { $0.escaped(asASCII: true) }.joined() }
}

extension Collection<UInt8> {
  /// The bytes in quotes, as Latin-1 and on one line.
  var printable: String {
    "\"" + map { UnicodeScalar($0).escaped(asASCII: true) }.joined() + "\""
  }
}
