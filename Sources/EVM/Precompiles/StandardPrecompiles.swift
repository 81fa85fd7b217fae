import EthereumPrimitives

/// The precompiled contracts of every chain (yellow paper, appendix E).
enum StandardPrecompiles {
  /// The contracts by their addresses.
  static func all(_ fork: Hardfork) -> [Address: any NativeContract] {
    var contracts = base
    if fork >= .cancun {
      contracts[.precompile(10)] = Precompile(gas: { _ in 50_000 }, run: PointEvaluation.run)
    }
    return contracts
  }

  private static let base: [Address: any NativeContract] = [
    .precompile(1): Precompile(gas: { _ in 3_000 }, run: SignerRecovery.run),
    .precompile(2): Precompile(
      gas: { 60 + 12 * Gas.words($0.count) }, run: { ContractCrypto.sha256($0) }),
    .precompile(3): Precompile(
      gas: { 600 + 120 * Gas.words($0.count) },
      run: { [UInt8](repeating: 0, count: 12) + RIPEMD160.hash($0) }),
    .precompile(4): Precompile(gas: { 15 + 3 * Gas.words($0.count) }, run: { Array($0) }),
    .precompile(5): Precompile(gas: ModularExponentiation.gas, run: ModularExponentiation.run),
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
  /// Its output.
  let run: @Sendable (UnsafeRawBufferPointer) throws(InputRefusal) -> [UInt8]

  func run(_ call: NativeCall, in host: NativeHost) -> NativeResult {
    guard let price = gas(call.input), price <= call.gas else {
      return .returned([], gas: .max)
    }
    do throws(InputRefusal) { return .returned(try run(call.input), gas: price) } catch {
      return .failed(error.reason)
    }
  }
}

/// Why a precompiled contract refuses its input, in the words of go-ethereum (core/vm/contracts.go,
/// crypto/bn256).
struct InputRefusal: Error {
  let reason: String

  static let length = Self(reason: "invalid input length")
  static let finalFlag = Self(reason: "invalid final flag")
  static let pairingLength = Self(reason: "bad elliptic curve pairing size")
  static let coordinateAboveModulus = Self(reason: "bn256: coordinate exceeds modulus")
  static let coordinateIsModulus = Self(reason: "bn256: coordinate equals modulus")
  static let point = Self(reason: "bn256: malformed point")
  static let versionedHash = Self(reason: "mismatched versioned hash")
  static let blobProof = Self(reason: "error verifying kzg proof")
  /// Lengths of hundreds of megabytes that were paid for all the same.
  static let tooLong = Self(reason: "the numbers are longer than this chain computes with")
}

/// Point evaluation of blobs (0x0a; EIP-4844, Cancun).
///
/// It needs the trusted setup of the ceremony for blobs. There are no blobs here: the contract is
/// there, warm and priced, and answers as to a proof that is wrong.
enum PointEvaluation {
  static func run(_ input: UnsafeRawBufferPointer) throws(InputRefusal) -> [UInt8] {
    guard input.count == 192 else { throw .length }
    var hash = ContractCrypto.sha256(UnsafeRawBufferPointer(rebasing: input[96..<144]))
    hash[0] = 1
    guard hash == Array(input[0..<32]) else { throw .versionedHash }
    throw .blobProof
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
enum SignerRecovery {
  static func run(_ input: UnsafeRawBufferPointer) -> [UInt8] {
    let v = input.word(32)
    guard v == 27 || v == 28 else { return [] }
    let signer = ContractCrypto.signer(
      of: Hash32(word: input.word(0)), r: input.word(64), s: input.word(96),
      yParity: v == 28 ? 1 : 0)
    return signer?.word.bigEndianBytes ?? []
  }
}

/// A power modulo a number, of any length (0x05; EIP-198, priced by EIP-2565).
enum ModularExponentiation {
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

  static func run(_ input: UnsafeRawBufferPointer) throws(InputRefusal) -> [UInt8] {
    let (base, exponent, modulus) = (input.word(0), input.word(32), input.word(64))
    guard let baseCount = base.exactUInt64(), let modulusCount = modulus.exactUInt64(),
      max(baseCount, modulusCount) < 1 << 31
    else { throw .tooLong }
    if modulusCount == 0 { return [] }
    // Longer than what is left of the input is as good as 0 with zeros behind it; the price of a
    // long exponent that is not there has been paid.
    guard let exponentCount = exponent.exactUInt64(), exponentCount < 1 << 31 else {
      throw .tooLong
    }
    let (first, second) = (96 + Int(baseCount), 96 + Int(baseCount) + Int(exponentCount))
    let power = ContractCrypto.modularPower(
      base: input.padded(96, Int(baseCount)), exponent: input.padded(first, Int(exponentCount)),
      modulus: input.padded(second, Int(modulusCount)))
    guard let power else { throw .tooLong }
    return power
  }
}

extension Word {
  /// At most 32 bytes, the most significant first.
  fileprivate init(bigEndianOrZero bytes: [UInt8]) {
    self = (try? Word(bigEndian: bytes)) ?? .zero
  }
}

/// The compression function of BLAKE2b with a number of rounds to choose (0x09; EIP-152, RFC 7693).
enum Blake2F {
  static func gas(_ input: UnsafeRawBufferPointer) -> UInt64? {
    input.count == 213 ? UInt64(rounds(input)) : 0
  }

  static func run(_ input: UnsafeRawBufferPointer) throws(InputRefusal) -> [UInt8] {
    guard input.count == 213 else { throw .length }
    guard input[212] < 2 else { throw .finalFlag }
    func lane(_ offset: Int) -> UInt64 {
      UInt64(littleEndian: input.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
    var state = (0..<8).map { lane(4 + $0 * 8) }
    let message = (0..<16).map { lane(68 + $0 * 8) }
    compress(
      &state, message, count: (lane(196), lane(204)), isLast: input[212] == 1,
      rounds: Int(rounds(input)))
    return state.flatMap { lane in withUnsafeBytes(of: lane.littleEndian) { Array($0) } }
  }

  private static func rounds(_ input: UnsafeRawBufferPointer) -> UInt32 {
    UInt32(bigEndian: input.loadUnaligned(as: UInt32.self))
  }

  private static let start: [UInt64] = [
    0x6a09_e667_f3bc_c908, 0xbb67_ae85_84ca_a73b, 0x3c6e_f372_fe94_f82b, 0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1, 0x9b05_688c_2b3e_6c1f, 0x1f83_d9ab_fb41_bd6b, 0x5be0_cd19_137e_2179,
  ]

  private static let orders: [[Int]] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
    [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
    [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
    [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
    [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
    [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
    [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
    [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
    [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
  ]

  private static func compress(
    _ state: inout [UInt64], _ message: [UInt64], count: (UInt64, UInt64), isLast: Bool,
    rounds: Int
  ) {
    var lanes = state + start
    lanes[12] ^= count.0
    lanes[13] ^= count.1
    if isLast { lanes[14] = ~lanes[14] }
    lanes.withUnsafeMutableBufferPointer { lanes in
      for round in 0..<rounds {
        let order = orders[round % 10]
        for column in 0..<4 {
          mix(
            lanes, column, column + 4, column + 8, column + 12, message[order[2 * column]],
            message[order[2 * column + 1]])
        }
        for diagonal in 0..<4 {
          mix(
            lanes, diagonal, (diagonal + 1) % 4 + 4, (diagonal + 2) % 4 + 8,
            (diagonal + 3) % 4 + 12, message[order[2 * diagonal + 8]],
            message[order[2 * diagonal + 9]])
        }
      }
    }
    for index in 0..<8 { state[index] ^= lanes[index] ^ lanes[index + 8] }
  }

  @inline(__always)
  private static func mix(
    _ lanes: UnsafeMutableBufferPointer<UInt64>, _ a: Int, _ b: Int, _ c: Int, _ d: Int,
    _ x: UInt64, _ y: UInt64
  ) {
    lanes[a] = lanes[a] &+ lanes[b] &+ x
    lanes[d] = rotated(lanes[d] ^ lanes[a], 32)
    lanes[c] = lanes[c] &+ lanes[d]
    lanes[b] = rotated(lanes[b] ^ lanes[c], 24)
    lanes[a] = lanes[a] &+ lanes[b] &+ y
    lanes[d] = rotated(lanes[d] ^ lanes[a], 16)
    lanes[c] = lanes[c] &+ lanes[d]
    lanes[b] = rotated(lanes[b] ^ lanes[c], 63)
  }

  @inline(__always)
  private static func rotated(_ lane: UInt64, _ count: UInt64) -> UInt64 {
    lane &>> count | lane &<< (64 &- count)
  }
}
