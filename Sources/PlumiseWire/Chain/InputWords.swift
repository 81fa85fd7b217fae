public import EthereumPrimitives

/// The input of a precompiled contract, in words of 32 bytes.
struct InputWords {
  private let bytes: [UInt8]

  /// An input of whole words.
  init(_ bytes: [UInt8]) throws(PrecompileInputError) {
    guard bytes.count.isMultiple(of: 32) else {
      throw .wrongLength(expected: "a multiple of 32", actual: bytes.count)
    }
    self.bytes = bytes
  }

  var count: Int { bytes.count / 32 }

  func raw(_ index: Int) -> ArraySlice<UInt8> { bytes[(index * 32)..<(index * 32 + 32)] }

  func hash(_ index: Int) throws(PrecompileInputError) -> Hash32 {
    do { return try Hash32(bytes: raw(index)) } catch {
      throw .wrongLength(expected: "32 a word", actual: raw(index).count)
    }
  }

  func number(_ index: Int) throws(PrecompileInputError) -> Word { try hash(index).word }

  func looksLikeAddress(_ index: Int) -> Bool { raw(index).prefix(12).allSatisfy { $0 == 0 } }

  func address(_ index: Int) throws(PrecompileInputError) -> Address {
    guard looksLikeAddress(index) else { throw .notAnAddress(word: index) }
    do { return try Address(bytes: raw(index).dropFirst(12)) } catch {
      throw .notAnAddress(word: index)
    }
  }
}

/// Why bytes are not the input of a precompiled contract.
public enum PrecompileInputError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The length in bytes is none that the contract accepts.
  case wrongLength(expected: String, actual: Int)
  /// The stated count of capabilities does not fit the length, in bytes.
  case capabilityCountMismatch(stated: Word, length: Int)
  /// A capability has another length, in bytes.
  case capabilityLength(Int)
  /// The word at this place is no left-padded address.
  case notAnAddress(word: Int)
  /// The count of tokens does not fit 63 bits.
  case tokenCountTooLarge(Word)

  /// What is wrong, in one line.
  public var description: String {
    switch self {
    case .wrongLength(let expected, let actual):
      "invalid input length: \(actual) bytes, expected \(expected)"
    case .capabilityCountMismatch(let stated, let length):
      "capability count \(stated) does not match the input's \(length) bytes"
    case .capabilityLength(let count):
      "a capability must be exactly 32 bytes, not \(count)"
    case .notAnAddress(let word): "word \(word) of the input is not an address"
    case .tokenCountTooLarge(let count): "token count \(count) is too large"
    }
  }
}
