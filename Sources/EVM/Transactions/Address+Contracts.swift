public import EthereumPrimitives

/// Where new contracts go.
extension Address {
  /// The address of a contract that an account creates: the last 20 bytes of keccak256 of the RLP of
  /// creator and nonce (yellow paper, §7).
  public static func ofContract(createdBy creator: Address, nonce: UInt64) -> Address {
    var writer = RLPWriter(capacity: 32)
    writer.append(creator)
    writer.append(nonce)
    return Address(truncating: writer.listHash().word)
  }

  /// The address of a contract that CREATE2 creates: the last 20 bytes of keccak256 of 0xff,
  /// creator, salt and the hash of the init code (EIP-1014).
  public static func ofContract(
    createdBy creator: Address, salt: Word, codeHash: Hash32
  ) -> Address {
    var bytes: [UInt8] = [0xff]
    bytes.reserveCapacity(85)
    creator.word.appendBytes(to: &bytes, count: 20)
    salt.appendBytes(to: &bytes, count: 32)
    codeHash.word.appendBytes(to: &bytes, count: 32)
    return Address(truncating: Keccak256.hash(bytes).word)
  }
}
