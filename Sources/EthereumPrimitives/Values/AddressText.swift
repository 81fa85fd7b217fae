extension Address: CustomStringConvertible {
  /// Reads `0x` and 40 digits of any case, without looking at a checksum.
  ///
  /// - Throws: `AddressError` when the text has another form.
  public init(_ text: some StringProtocol) throws(AddressError) {
    let bytes: [UInt8]
    do { bytes = try Hex.decode(text) } catch { throw .malformed(error) }
    try self.init(bytes: bytes)
  }

  /// Reads `0x` and 40 digits whose case must spell the checksum of EIP-55.
  ///
  /// - Throws: `AddressError.wrongChecksum` with the right spelling, or why the text is no address.
  public init(checksummed text: some StringProtocol) throws(AddressError) {
    try self.init(text)
    guard checksummed == text else {
      throw .wrongChecksum(expected: checksummed, actual: String(text))
    }
  }

  /// The address as `0x` and 40 lowercase digits, as JSON-RPC prints it.
  public var lowercaseHex: String { Hex.encode(bytes) }

  /// The address with the checksum of EIP-55 in the case of its letters.
  ///
  /// A letter is upper case when the digit at its place in keccak256 of the lowercase digits is
  /// 8 or more.
  public var checksummed: String {
    var text = Array(Hex.digits(bytes).utf8)
    let digest = Keccak256.hash(text).bytes
    for index in text.indices where text[index] >= 0x61 {
      let digit = index.isMultiple(of: 2) ? digest[index / 2] >> 4 : digest[index / 2] & 15
      if digit >= 8 { text[index] -= 0x20 }
    }
    return "0x" + String(decoding: text, as: UTF8.self)
  }

  /// The checksummed form.
  public var description: String { checksummed }
}
