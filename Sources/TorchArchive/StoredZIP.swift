import Inflate

/// ZIP archives as PyTorch writes them: every entry is stored as it is, one behind the other
/// (PKWARE's APPNOTE 6.3.10, section 4).
enum StoredZIP {
  /// Entries are aligned to so many bytes, in a local extra field that is there for nothing else.
  private static let alignment = 64
  private static let paddingID: [UInt8] = Array("FB".utf8)

  private enum Signature {
    static let local: UInt32 = 0x0403_4b50
    static let descriptor: UInt32 = 0x0807_4b50
    static let central: UInt32 = 0x0201_4b50
    static let zip64End: UInt32 = 0x0606_4b50
    static let zip64Locator: UInt32 = 0x0706_4b50
    static let end: UInt32 = 0x0605_4b50
  }

  /// The flags that may be set: a data descriptor follows (3), the name is UTF-8 (11).
  private static let descriptorFlag: UInt16 = 1 << 3
  private static let nameFlag: UInt16 = 1 << 11

  /// The contents of each entry, as ranges of the archive.
  ///
  /// The entries must fill the archive up to its directory without a gap, so that no byte belongs to
  /// two of them or to none; both descriptions of an entry must agree, and its checksum be right.
  /// - Throws: ``TorchArchiveError`` for anything else, compression and encryption included.
  static func read(_ bytes: [UInt8]) throws(TorchArchiveError) -> [String: Range<Int>] {
    let directory = try Directory(bytes)
    var reader = LittleEndianReader(bytes, at: directory.start)
    var entries: [String: Range<Int>] = [:]
    var next = 0
    for _ in 0..<directory.count {
      let header = try CentralHeader(&reader)
      guard header.localOffset == next else {
        throw .entry(
          name: header.name,
          "it begins at byte \(header.localOffset), but the one before it ends at byte \(next)")
      }
      let (contents, end) = try locate(header, in: bytes, before: directory.start)
      guard entries.updateValue(contents, forKey: header.name) == nil else {
        throw .entry(name: header.name, "it is there twice")
      }
      next = end
    }
    guard next == directory.start, reader.position == directory.end else {
      throw .container(
        "its entries end at byte \(next) and its directory at byte \(reader.position), not at "
          + "bytes \(directory.start) and \(directory.end)")
    }
    return entries
  }

  /// Checks an entry's local header, contents and data descriptor.
  private static func locate(
    _ header: CentralHeader, in bytes: [UInt8], before limit: Int
  ) throws(TorchArchiveError) -> (contents: Range<Int>, end: Int) {
    var reader = LittleEndianReader(bytes, at: header.localOffset, end: limit)
    try reader.expect(Signature.local, "a local header")
    try reader.skip(2)
    let flags = try reader.u16()
    let method = try reader.u16()
    try reader.skip(4)
    let sums = (try reader.u32(), try reader.u32(), try reader.u32())
    let nameLength = Int(try reader.u16())
    let extraLength = Int(try reader.u16())
    let name = try reader.take(nameLength)
    let expected =
      header.hasDescriptor ? (0, 0, 0) : (header.checksum, header.size, header.size)
    guard flags == header.flags, method == 0, sums == expected,
      name.elementsEqual(header.name.utf8)
    else {
      throw .entry(name: header.name, "its local header contradicts the directory")
    }
    let extra = try reader.take(extraLength)
    guard extra.isEmpty || isPadding(extra) else {
      throw .entry(name: header.name, "it has an extra field that is no padding of PyTorch's")
    }
    let contents = try reader.take(Int(header.size))
    let checksum = CRC32.checksum(contents)
    guard checksum == header.checksum else {
      throw .entry(
        name: header.name,
        "its CRC-32 is \(hex(header.checksum)), but its bytes have \(hex(checksum))")
    }
    if header.hasDescriptor {
      try reader.expect(Signature.descriptor, "a data descriptor")
      guard
        (try reader.u32(), try reader.u32(), try reader.u32())
          == (header.checksum, header.size, header.size)
      else {
        throw .entry(name: header.name, "its data descriptor contradicts the directory")
      }
    }
    return (contents.startIndex..<contents.endIndex, reader.position)
  }

  private static func isPadding(_ extra: ArraySlice<UInt8>) -> Bool {
    let length = extra.count - 4
    return length >= 0
      && extra.starts(with: paddingID + [UInt8(length & 0xff), UInt8(length >> 8)])
  }

  private static func hex(_ value: UInt32) -> String { "0x" + String(value, radix: 16) }

  /// An archive of these entries, in this order, as PyTorch writes it.
  ///
  /// - Precondition: the archive stays below 4 GiB.
  static func write(_ entries: [(name: String, contents: [UInt8])]) -> [UInt8] {
    var archive = LittleEndianWriter()
    archive.bytes.reserveCapacity(entries.reduce(1024) { $0 + $1.contents.count + 256 })
    var directory = LittleEndianWriter()
    let flags = descriptorFlag | nameFlag
    for (name, contents) in entries {
      let (offset, size) = (archive.bytes.count, UInt32(contents.count))
      let checksum = CRC32.checksum(contents[...])
      let unpadded = offset + 30 + name.utf8.count + 4
      let padding = (alignment - unpadded % alignment) % alignment
      archive.put(Signature.local)
      for field in [0, flags, 0, 0, 0] { archive.put(field) }
      for field: UInt32 in [0, 0, 0] { archive.put(field) }
      archive.put(UInt16(name.utf8.count))
      archive.put(UInt16(4 + padding))
      archive.bytes += name.utf8
      archive.bytes += paddingID
      archive.put(UInt16(padding))
      archive.bytes += repeatElement(UInt8(ascii: "Z"), count: padding)
      archive.bytes += contents
      for field in [Signature.descriptor, checksum, size, size] { archive.put(field) }
      directory.put(Signature.central)
      for field in [0, 0, flags, 0, 0, 0] { directory.put(field) }
      for field in [checksum, size, size] { directory.put(field) }
      for field in [UInt16(name.utf8.count), 0, 0, 0, 0] { directory.put(field) }
      directory.put(UInt32(0))
      directory.put(UInt32(offset))
      directory.bytes += name.utf8
    }
    let start = archive.bytes.count
    archive.bytes += directory.bytes
    writeEnd(&archive, directoryAt: start, entries: entries.count)
    return archive.bytes
  }

  private static func writeEnd(
    _ archive: inout LittleEndianWriter, directoryAt start: Int, entries: Int
  ) {
    let end = archive.bytes.count
    archive.put(Signature.zip64End)
    archive.put(UInt64(44))
    for field: UInt16 in [0x031e, 45] { archive.put(field) }
    for field: UInt32 in [0, 0] { archive.put(field) }
    for field in [entries, entries, end - start, start] { archive.put(UInt64(field)) }
    archive.put(Signature.zip64Locator)
    archive.put(UInt32(0))
    archive.put(UInt64(end))
    archive.put(UInt32(1))
    archive.put(Signature.end)
    for field: UInt16 in [0, 0] { archive.put(field) }
    for field in [entries, entries] { archive.put(UInt16(field)) }
    for field in [end - start, start] { archive.put(UInt32(field)) }
    archive.put(UInt16(0))
  }

  /// Where the directory is, by the records at the archive's end.
  private struct Directory {
    let start: Int
    let end: Int
    let count: Int

    init(_ bytes: [UInt8]) throws(TorchArchiveError) {
      guard bytes.count >= 22 else {
        throw .container("\(bytes.count) bytes are too few for a ZIP archive")
      }
      let endRecord = bytes.count - 22
      var reader = LittleEndianReader(bytes, at: endRecord)
      try reader.expect(Signature.end, "the end record")
      let disks = try reader.u32()
      let counts = (Int(try reader.u16()), Int(try reader.u16()))
      let size = Int(try reader.u32())
      start = Int(try reader.u32())
      count = counts.0
      end = start + size
      guard disks == 0, counts.0 == counts.1, try reader.u16() == 0 else {
        throw .container("it has several parts or a comment")
      }
      // PyTorch always writes the ZIP64 end as well: 56 bytes, and 20 of its locator.
      guard end == endRecord || end == endRecord - 76 else {
        throw .container(
          "its directory ends at byte \(end), but the end record begins at byte \(endRecord)")
      }
      if end < endRecord { try checkZIP64(bytes) }
    }

    private func checkZIP64(_ bytes: [UInt8]) throws(TorchArchiveError) {
      var reader = LittleEndianReader(bytes, at: end)
      try reader.expect(Signature.zip64End, "the ZIP64 end record")
      let size = try reader.u64()
      try reader.skip(4)
      let disks = try reader.u64()
      let counts = (try reader.u64(), try reader.u64())
      let directory = (try reader.u64(), try reader.u64())
      try reader.expect(Signature.zip64Locator, "the ZIP64 locator")
      let locator = (try reader.u32(), try reader.u64(), try reader.u32())
      guard size == 44, disks == 0, counts == (UInt64(count), UInt64(count)),
        directory == (UInt64(end - start), UInt64(start)), locator == (0, UInt64(end), 1)
      else { throw .container("its ZIP64 end contradicts its end record") }
    }
  }

  /// An entry as the directory describes it.
  private struct CentralHeader {
    let name: String
    let flags: UInt16
    let checksum: UInt32
    let size: UInt32
    let localOffset: Int

    var hasDescriptor: Bool { flags & descriptorFlag != 0 }

    init(_ reader: inout LittleEndianReader) throws(TorchArchiveError) {
      try reader.expect(Signature.central, "a directory entry")
      try reader.skip(4)
      flags = try reader.u16()
      let method = try reader.u16()
      try reader.skip(4)
      checksum = try reader.u32()
      let stored = try reader.u32()
      size = try reader.u32()
      let nameLength = Int(try reader.u16())
      let others = (try reader.u16(), try reader.u16(), try reader.u16())
      try reader.skip(6)
      localOffset = Int(try reader.u32())
      name = String(decoding: try reader.take(nameLength), as: UTF8.self)
      guard flags & ~(descriptorFlag | nameFlag) == 0 else {
        throw .entry(
          name: name, "its flags are \(hex(UInt32(flags))): encryption and patches are not read")
      }
      guard method == 0, stored == size else {
        throw .entry(name: name, "compression method \(method): only stored entries are read")
      }
      guard others == (0, 0, 0) else {
        throw .entry(name: name, "it has an extra field, a comment or another part")
      }
    }
  }
}

/// Reads little-endian numbers, and refuses to read past the end.
private struct LittleEndianReader {
  private let bytes: [UInt8]
  private let end: Int
  private(set) var position: Int

  init(_ bytes: [UInt8], at position: Int, end: Int? = nil) {
    self.bytes = bytes
    self.position = position
    self.end = end ?? bytes.count
  }

  mutating func take(_ count: Int) throws(TorchArchiveError) -> ArraySlice<UInt8> {
    guard position <= end, count <= end - position else {
      throw .container("it ends in the middle: byte \(position) and \(count) more of \(end)")
    }
    defer { position += count }
    return bytes[position..<position + count]
  }

  mutating func skip(_ count: Int) throws(TorchArchiveError) { _ = try take(count) }

  mutating func u16() throws(TorchArchiveError) -> UInt16 { UInt16(try number(2)) }
  mutating func u32() throws(TorchArchiveError) -> UInt32 { UInt32(try number(4)) }
  mutating func u64() throws(TorchArchiveError) -> UInt64 { try number(8) }

  mutating func expect(_ signature: UInt32, _ what: String) throws(TorchArchiveError) {
    let start = position
    guard try u32() == signature else {
      throw .container("\(what) is expected at byte \(start)")
    }
  }

  private mutating func number(_ width: Int) throws(TorchArchiveError) -> UInt64 {
    try take(width).reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }
}

/// Appends little-endian numbers.
private struct LittleEndianWriter {
  var bytes: [UInt8] = []

  mutating func put(_ number: some FixedWidthInteger) {
    withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
  }
}
