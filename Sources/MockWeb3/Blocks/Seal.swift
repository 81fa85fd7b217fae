import EthereumPrimitives

/// How a block says who made it.
enum Seal {
  /// The vanity without its zeros.
  private static let name = Array("plumise-petals-e2e".utf8)
  /// 32 bytes of the sealer's own choice (Clique, EIP-225).
  static let vanity = name + [UInt8](repeating: 0, count: 32 - name.count)

  /// Puts extra data and difficulty into a header: in proof-of-authority mode the vanity and the
  /// sealer's signature over the header that has the vanity alone, else the vanity without zeros.
  static func apply(to header: inout BlockHeader, sealer: SecretKey?) {
    guard let sealer, header.number > 0 else {
      header.extraData = name
      return
    }
    header.difficulty = 2
    let signature = sealer.sign(Keccak256.hash(header.encoded(extraData: vanity)))
    header.extraData =
      vanity + signature.r.bigEndianBytes + signature.s.bigEndianBytes + [signature.yParity]
  }
}
