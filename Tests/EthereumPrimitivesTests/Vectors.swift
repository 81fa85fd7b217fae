import EthereumPrimitives
import Foundation
import TestVectors
import Testing

/// The sections of `ethereum.json` that this target checks.
struct Vectors: Decodable {
  struct Digest: Decodable { let input, digest: String }
  struct Key: Decodable { let privateKey, address, publicKey: String }
  struct Message: Decodable { let message, privateKey, hash, signature: String }
  struct SignedTransfer: Decodable, CustomTestStringConvertible {
    let kind, privateKey, from, raw, hash, r, s: String
    let v: UInt64
    let transaction: Fields
    var testDescription: String { "\(kind), type \(transaction.type ?? "0"), \(hash)" }
  }
  struct Fields: Decodable {
    let to, value, gas, nonce, data, chainId: String
    let type, gasPrice, maxFeePerGas, maxPriorityFeePerGas: String?
    let accessList: [Entry]?
  }
  struct Entry: Decodable {
    let address: String
    let storageKeys: [String]
  }
  struct Stored: Decodable {
    let password, privateKey: String
    let keystore: Keystore
  }

  struct Spelling: Decodable, CustomTestStringConvertible {
    let name, password, text, privateKey: String
    var testDescription: String { name }
  }

  let keccak256: [Digest]
  let keys: [Key]
  let eip191: [Message]
  let transactions: [SignedTransfer]
  let keystores: [Stored]
  let keystoreSpellings: [Spelling]

  static let all: Vectors = {
    do {
      return try JSONDecoder().decode(
        Vectors.self, from: Data(contentsOf: TestVectors.ethereum))
    } catch { fatalError("ethereum.json cannot be read: \(error)") }
  }()
}

@Suite("The golden data of Ethereum's primitives")
struct VectorCountTests {
  @Test("No section is empty: the counts are those of the file that was reviewed")
  func counts() {
    #expect(Vectors.all.keccak256.count == 26)
    #expect(Vectors.all.keys.count == 17)
    #expect(Vectors.all.eip191.count == 18)
    #expect(Vectors.all.transactions.count == 102)
    #expect(Vectors.all.keystores.count == 4)
    #expect(Vectors.all.keystoreSpellings.count == 52)
  }
}
