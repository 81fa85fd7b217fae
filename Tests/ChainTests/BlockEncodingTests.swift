import EthereumPrimitives
import MockWeb3
import PlumiseWire
import Testing

@Suite("Blocks as bytes", .timeLimit(.minutes(5)))
struct BlockEncodingTests {
  @Test("A header's hash is that of another implementation's RLP")
  func headerHashes() throws {
    for vector in try ChainVectors.section("headers") {
      let header = BlockHeader(
        parentHash: try vector.hash("parentHash"), coinbase: try vector.address("coinbase"),
        stateRoot: try vector.hash("stateRoot"),
        transactionsRoot: try vector.hash("transactionsRoot"),
        receiptsRoot: try vector.hash("receiptsRoot"), logsBloom: try vector.bytes("logsBloom"),
        difficulty: try integer(vector, "difficulty"), number: try integer(vector, "number"),
        gasLimit: try integer(vector, "gasLimit"), gasUsed: try integer(vector, "gasUsed"),
        timestamp: try integer(vector, "timestamp"), extraData: try vector.bytes("extraData"),
        baseFeePerGas: try vector.decimal("baseFeePerGas"))
      #expect(try header.hash == vector.hash("hash"))
    }
  }

  private func integer(_ vector: JSON, _ key: String) throws -> UInt64 {
    try #require(vector.decimal(key).exactUInt64())
  }

  @Test("Receipts and their blooms are those of another implementation")
  func receipts() throws {
    for vector in try ChainVectors.section("receipts") {
      let logs = try (vector["logs"]?.arrayValue ?? []).map { log in
        LogEntry(
          address: try log.address("address"),
          topics: try (log["topics"]?.arrayValue ?? []).map { try Hash32($0.stringValue ?? "") },
          data: try log.bytes("data"))
      }
      let bloom = LogsBloom(logs)
      #expect(try bloom.bytes == vector.bytes("bloom"))
      #expect(logs.allSatisfy { bloom.mayContain($0.address.bytes) })
      let encoded = TransactionReceipt.consensusBytes(
        type: UInt8(try vector.number("type")), succeeded: true,
        cumulativeGasUsed: try vector.number("cumulativeGasUsed"), bloom: bloom, logs: logs)
      #expect(try encoded == vector.bytes("encoded"))
    }
  }

  @Test("The base fee follows the formula of EIP-1559")
  func baseFees() throws {
    for vector in try ChainVectors.section("baseFees") {
      let next = BaseFee.next(
        after: try vector.decimal("baseFee"), gasUsed: try vector.number("gasUsed"),
        gasLimit: 30_000_000)
      #expect(try next == vector.decimal("next"), "\(vector)")
    }
  }

  @Test(
    "Intrinsic gas counts every byte",
    arguments: [([], 21_000), ([0], 21_004), ([1], 21_016), ([0, 0, 255], 21_024)]
      as [([UInt8], UInt64)])
  func intrinsicGas(data: [UInt8], gas: UInt64) {
    #expect(IntrinsicGas.of(data: data) == gas)
  }
}
