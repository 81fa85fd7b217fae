import EthereumPrimitives

/// A power modulo a number, of any length (0x05; EIP-198, priced by EIP-2565).
enum ModularPower {
  static func gas(_ input: UnsafeRawBufferPointer) -> UInt64? {
    let lengths = [input.word(0), input.word(32), input.word(64)]
    let (base, exponent, modulus) = (lengths[0], lengths[1], lengths[2])
    // The price depends on the lengths before anything is read: they may be absurd.
    guard let longest = max(base, modulus).exactUInt64(), longest < 1 << 32 else { return nil }
    let words = (longest + 7) / 8
    let (product, overflow) = Word(words * words).multipliedReportingOverflow(
      by: iterations(input, base: base, exponent: exponent))
    guard !overflow, let price = (product / 3).exactUInt64() else { return nil }
    return max(200, price)
  }

  private static func iterations(
    _ input: UnsafeRawBufferPointer, base: Word, exponent: Word
  ) -> Word {
    let (start, _) = base.addingReportingOverflow(96)
    let headLength = Int(min(exponent, 32).low)
    let isBehind = start.exactUInt64().map { $0 >= UInt64(input.count) } ?? true
    let head =
      isBehind ? [] : input.padded(Int(start.low), headLength)
    let bits = Word(bigEndianOrZero: head).bitCount
    let fromHead = Word(UInt64(max(0, bits - 1)))
    if exponent <= 32 { return max(1, fromHead) }
    let (tail, overflow) = (exponent - 32).multipliedReportingOverflow(by: 8)
    let (sum, second) = tail.addingReportingOverflow(fromHead)
    return overflow || second ? .max : max(1, sum)
  }

  static func run(_ input: UnsafeRawBufferPointer) -> [UInt8]? {
    let (base, exponent, modulus) = (input.word(0), input.word(32), input.word(64))
    guard let baseCount = base.exactUInt64(), let modulusCount = modulus.exactUInt64(),
      max(baseCount, modulusCount) < 1 << 31
    else { return nil }
    if modulusCount == 0 { return [] }
    // Longer than what is left of the input is as good as 0 with zeros behind it; the price of a
    // long exponent that is not there has been paid.
    guard let exponentCount = exponent.exactUInt64(), exponentCount < 1 << 31 else { return nil }
    let (first, second) = (96 + Int(baseCount), 96 + Int(baseCount) + Int(exponentCount))
    return ContractCrypto.modularPower(
      base: input.padded(96, Int(baseCount)), exponent: input.padded(first, Int(exponentCount)),
      modulus: input.padded(second, Int(modulusCount)))
  }
}

extension Word {
  /// At most 32 bytes, the most significant first.
  fileprivate init(bigEndianOrZero bytes: [UInt8]) {
    self = (try? Word(bigEndian: bytes)) ?? .zero
  }
}
