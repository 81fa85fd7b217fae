import EthereumPrimitives

/// How a block says who made it.
enum Seal {
  /// 32 bytes of the sealer's own choice (Clique, EIP-225).
  static let vanity = Array("plumise-petals-e2e".utf8) + [UInt8](repeating: 0, count: 14)

  /// Puts extra data and difficulty into a header: in proof-of-authority mode the vanity and the
  /// sealer's signature over the header that has the vanity alone, else the vanity without zeros.
  static func apply(to header: inout BlockHeader, sealer: SecretKey?) {
    guard let sealer, header.number > 0 else {
      header.extraData = Array(vanity.prefix { $0 != 0 })
      return
    }
    header.difficulty = 2
    let signature = sealer.sign(Keccak256.hash(header.encoded(extraData: vanity)))
    header.extraData =
      vanity + signature.r.bigEndianBytes + signature.s.bigEndianBytes + [signature.yParity]
  }
}
