import Foundation

/// Tokens by their spelling in the file, found by id or by spelling.
///
/// A spelling is the file's UTF-8, not what it stands for: in byte-level BPE "Ċ" and a raw line feed
/// are two tokens. One arena and one open-addressed table instead of a quarter of a million strings:
/// a tokenizer of BLOOM's size loads in a fraction of a second.
struct Vocabulary: Sendable {
  private var arena: [UInt8] = []
  /// Where each id's spelling lies; below zero for ids that have no token.
  private var ranges: [Range<Int32>] = []
  /// The hash in the upper half and id + 1 in the lower, or 0 for a free slot: most slots that hold
  /// another token are passed over without a look at its bytes.
  private var slots: [UInt64]
  /// How many tokens there are.
  private(set) var tokenCount = 0

  private static let none = Int32(-1)..<Int32(-1)

  /// Room for `capacity` tokens; it grows.
  init(capacity: Int) {
    var size = 64
    while size < capacity * 2 { size *= 2 }
    slots = [UInt64](repeating: 0, count: size)
    ranges.reserveCapacity(capacity)
    arena.reserveCapacity(capacity * 8)
  }

  /// One past the highest id.
  var count: Int { ranges.count }

  /// Adds a token; false when the id is taken, or the spelling is.
  mutating func insert(_ spelling: ArraySlice<UInt8>, id: Int32) -> Bool {
    while ranges.count <= Int(id) { ranges.append(Self.none) }
    guard ranges[Int(id)] == Self.none else { return false }
    if (tokenCount + 1) * 2 > slots.count { grow() }
    let hash = Self.hash(spelling)
    let slot = slot(of: spelling, hash)
    guard slots[slot] == 0 else { return false }
    let start = Int32(arena.count)
    arena.append(contentsOf: spelling)
    ranges[Int(id)] = start..<Int32(arena.count)
    slots[slot] = hash << 32 | UInt64(id + 1)
    tokenCount += 1
    return true
  }

  /// The token with exactly this spelling.
  func id(of spelling: ArraySlice<UInt8>) -> Int32? {
    let found = slots[slot(of: spelling, Self.hash(spelling))] & 0xffff_ffff
    return found == 0 ? nil : Int32(truncatingIfNeeded: found) - 1
  }

  /// A token's spelling; nil for an id that has none.
  func spelling(_ id: Int32) -> ArraySlice<UInt8>? {
    guard id >= 0, Int(id) < ranges.count, ranges[Int(id)] != Self.none else { return nil }
    let range = ranges[Int(id)]
    return arena[Int(range.lowerBound)..<Int(range.upperBound)]
  }

  private func slot(of spelling: ArraySlice<UInt8>, _ hash: UInt64) -> Int {
    let mask = slots.count - 1
    var slot = Int(hash) & mask
    while slots[slot] != 0 {
      if slots[slot] >> 32 == hash, holds(spelling, slots[slot]) { return slot }
      slot = (slot + 1) & mask
    }
    return slot
  }

  private func holds(_ spelling: ArraySlice<UInt8>, _ entry: UInt64) -> Bool {
    let range = ranges[Int(entry & 0xffff_ffff) - 1]
    guard range.count == spelling.count else { return false }
    guard !range.isEmpty else { return true }
    return spelling.withUnsafeBytes { spelling in
      arena.withUnsafeBytes { arena in
        guard let wanted = spelling.baseAddress, let start = arena.baseAddress else { return false }
        return memcmp(wanted, start + Int(range.lowerBound), spelling.count) == 0
      }
    }
  }

  private mutating func grow() {
    let old = slots
    slots = [UInt64](repeating: 0, count: old.count * 2)
    let mask = slots.count - 1
    for entry in old where entry != 0 {
      var slot = Int(entry >> 32) & mask
      while slots[slot] != 0 { slot = (slot + 1) & mask }
      slots[slot] = entry
    }
  }

  /// 32 bits: FNV-1a with a final mix, since the table's size is a power of two.
  private static func hash(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    bytes.withUnsafeBufferPointer { bytes in
      var hash: UInt64 = 0xcbf2_9ce4_8422_2325
      for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
      return (hash ^ hash >> 32) & 0xffff_ffff
    }
  }
}

/// The printable character that byte-level BPE writes for each byte, and back.
///
/// Printable Latin-1 bytes stand for themselves; the others, in order, for U+0100 and up (Radford et
/// al., GPT-2).
enum ByteAlphabet {
  static let scalars: [Unicode.Scalar] = {
    var next: UInt32 = 0x100
    return (0...255).map { byte -> Unicode.Scalar in
      let scalar = Unicode.Scalar(UInt8(byte))
      if isPrintable(UInt32(byte)) { return scalar }
      defer { next += 1 }
      return Unicode.Scalar(next) ?? scalar
    }
  }()

  /// The UTF-8 of each byte's character.
  static let spellings: [[UInt8]] = scalars.map { Array(String($0).utf8) }

  /// The byte for each scalar below 0x144, where there is one.
  private static let bytes: [UInt8?] = {
    var bytes = [UInt8?](repeating: nil, count: 0x144)
    for (byte, scalar) in scalars.enumerated() { bytes[Int(scalar.value)] = UInt8(byte) }
    return bytes
  }()

  /// What a token's spelling stands for: its characters' bytes when each of them stands for one,
  /// else its own UTF-8 (as the `ByteLevel` decoder of tokenizers has it).
  static func decoded(_ spelling: ArraySlice<UInt8>) -> [UInt8] {
    var decoded: [UInt8] = []
    decoded.reserveCapacity(spelling.count)
    var high: UInt32?
    for unit in spelling {
      let value: UInt32
      if let first = high {
        value = (first & 0x1F) << 6 | UInt32(unit & 0x3F)
        high = nil
      } else if unit < 0x80 {
        value = UInt32(unit)
      } else if unit & 0xE0 == 0xC0 {
        high = UInt32(unit)
        continue
      } else {
        value = UInt32.max
      }
      guard value < bytes.count, let byte = bytes[Int(value)] else { return Array(spelling) }
      decoded.append(byte)
    }
    return decoded
  }

  private static func isPrintable(_ byte: UInt32) -> Bool {
    (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || (0xAE...0xFF).contains(byte)
  }
}
