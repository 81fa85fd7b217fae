import EthereumPrimitives

/// The precompiled contracts of every chain (yellow paper, appendix E).
enum StandardPrecompiles {
  /// The contracts by their addresses.
  static func all(_ fork: Hardfork) -> [Address: any NativeContract] {
    var contracts = base
    if fork >= .cancun {
      contracts[.precompile(10)] = Precompile(gas: { _ in 50_000 }, run: { _ in nil })
    }
    return contracts
  }

  // Point evaluation (0x0a, Cancun) needs the trusted setup of the ceremony for blobs. There are no
  // blobs here: the contract is there, warm and priced, and answers as to a proof that is wrong.

  private static let base: [Address: any NativeContract] = [
    .precompile(1): Precompile(gas: { _ in 3_000 }, run: Recovery.run),
    .precompile(2): Precompile(
      gas: { 60 + 12 * Gas.words($0.count) }, run: { ContractCrypto.sha256($0) }),
    .precompile(3): Precompile(
      gas: { 600 + 120 * Gas.words($0.count) },
      run: { [UInt8](repeating: 0, count: 12) + RIPEMD160.hash($0) }),
    .precompile(4): Precompile(gas: { 15 + 3 * Gas.words($0.count) }, run: { Array($0) }),
    .precompile(5): Precompile(gas: ModularPower.gas, run: ModularPower.run),
    .precompile(6): Precompile(gas: { _ in 150 }, run: BN254Contracts.add),
    .precompile(7): Precompile(gas: { _ in 6_000 }, run: BN254Contracts.multiply),
    .precompile(8): Precompile(
      gas: { 45_000 + 34_000 * UInt64($0.count / 192) }, run: BN254Contracts.pairing),
    .precompile(9): Precompile(gas: Blake2F.gas, run: Blake2F.run),
  ]
}

/// A contract whose output depends on its input alone.
struct Precompile: NativeContract {
  /// What it costs; nil when the price does not fit 64 bits.
  let gas: @Sendable (UnsafeRawBufferPointer) -> UInt64?
  /// Its output, or nil when it refuses the input.
  let run: @Sendable (UnsafeRawBufferPointer) -> [UInt8]?

  func run(_ call: NativeCall, in host: NativeHost) -> NativeResult {
    guard let price = gas(call.input), price <= call.gas else {
      return .returned([], gas: .max)
    }
    return run(call.input).map { .returned($0, gas: price) } ?? .failed
  }
}

extension UnsafeRawBufferPointer {
  /// Bytes of the input; it goes on with zeros for ever.
  func padded(_ start: Int, _ count: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    let available = Swift.max(0, Swift.min(count, self.count - start))
    if available > 0 {
      bytes.withUnsafeMutableBytes {
        $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: self[start..<(start + available)]))
      }
    }
    return bytes
  }

  /// A word of the input.
  func word(_ start: Int) -> Word {
    padded(start, 32).withUnsafeBytes { bytes in
      guard let start = bytes.baseAddress else { preconditionFailure("32 bytes") }
      return Word.load(start)
    }
  }
}

/// The account that signed a digest (0x01).
enum Recovery {
  static func run(_ input: UnsafeRawBufferPointer) -> [UInt8]? {
    let v = input.word(32)
    guard v == 27 || v == 28 else { return [] }
    let signer = ContractCrypto.signer(
      of: Hash32(word: input.word(0)), r: input.word(64), s: input.word(96),
      yParity: v == 28 ? 1 : 0)
    return signer?.word.bigEndianBytes ?? []
  }
}
