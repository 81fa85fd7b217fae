import EthereumPrimitives

/// How many signers one core recovers: the limit of an oracle and of a chain, a core each.
enum SignerProbe {
  private static let count = 4_000

  /// Recoveries a second, with libsecp256k1 and nothing around it.
  static func row(_ group: String, _ runs: Int) async throws -> BenchRow {
    let hash = Keccak256.hash("petals")
    let signature = SecretKey.random().sign(hash)
    var rates: [Double] = []
    for _ in 0..<runs {
      rates.append(
        try await Rate.measure(count) {
          for _ in 0..<count { _ = try signature.recoverPublicKey(hash) }
        })
    }
    return BenchRow(group, "limit: signers recovered by one core", "a second", rates)
  }
}
