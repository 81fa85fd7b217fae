import EthereumPrimitives

/// The arguments of a contract call, read as Solidity reads them: what is malformed reverts
/// without a reason.
struct ABIArguments {
  private let bytes: ArraySlice<UInt8>

  /// - Parameter bytes: what follows the selector.
  init(_ bytes: ArraySlice<UInt8>) { self.bytes = bytes }

  /// The word at a position of the head.
  func word(_ position: Int) throws(Revert) -> Word {
    try word(atByte: position * 32)
  }

  func address(_ position: Int) throws(Revert) -> Address {
    let bytes = try word(position).bigEndianBytes
    guard bytes.prefix(12).allSatisfy({ $0 == 0 }) else { throw .silent }
    do { return try Address(bytes: bytes.suffix(20)) } catch { throw .silent }
  }

  func hash(_ position: Int) throws(Revert) -> Hash32 { Hash32(word: try word(position)) }

  /// A dynamic string, whose place the word at a position of the head tells.
  ///
  /// Bytes that are not UTF-8 are replaced, since a Swift string cannot hold them.
  func string(_ position: Int) throws(Revert) -> String {
    let start = try offset(word(position))
    let length = try offset(word(atByte: start))
    guard bytes.count - start - 32 >= length else { throw .silent }
    let first = bytes.startIndex + start + 32
    return String(decoding: bytes[first..<(first + length)], as: UTF8.self)
  }

  private func word(atByte offset: Int) throws(Revert) -> Word {
    guard bytes.count >= 32, offset <= bytes.count - 32 else { throw .silent }
    let first = bytes.startIndex + offset
    do { return try Word(bigEndian: bytes[first..<(first + 32)]) } catch { throw .silent }
  }

  private func offset(_ word: Word) throws(Revert) -> Int {
    guard let value = word.exactUInt64(), value <= UInt64(bytes.count) else { throw .silent }
    return Int(value)
  }
}
