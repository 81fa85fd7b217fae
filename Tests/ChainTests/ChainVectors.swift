import EthereumPrimitives
import Foundation
import MockWeb3
import PlumiseWire
import TestVectors

/// The golden data of the chain, made by other implementations.
enum ChainVectors {
  /// A section of chain.json; one that is missing or empty fails.
  static func section(_ name: String) throws -> [JSON] {
    try cases(in: root(TestVectors.chain)[name], name)
  }

  /// The accounts' trie, step by step.
  static func accounts(_ name: String) throws -> [JSON] {
    try cases(in: root(TestVectors.chain)["accounts"]?[name], name)
  }

  /// A section of ethereum.json.
  static func ethereum(_ name: String) throws -> [JSON] {
    try cases(in: root(TestVectors.ethereum)[name], name)
  }

  private static func root(_ url: URL) throws -> JSON {
    try JSON.parse(Array(Data(contentsOf: url)))
  }

  private static func cases(in json: JSON?, _ name: String) throws -> [JSON] {
    guard let cases = json?.arrayValue, !cases.isEmpty else { throw Missing(field: name) }
    return cases
  }

  struct Missing: Error { let field: String }
}

extension JSON {
  func text(_ key: String) throws -> String {
    guard let text = self[key]?.stringValue else { throw ChainVectors.Missing(field: key) }
    return text
  }

  func number(_ key: String) throws -> UInt64 {
    guard let number = self[key]?.integerValue else { throw ChainVectors.Missing(field: key) }
    return UInt64(number)
  }

  func bytes(_ key: String) throws -> [UInt8] { try Hex.decode(text(key)) }
  func hash(_ key: String) throws -> Hash32 { try Hash32(text(key)) }
  func address(_ key: String) throws -> Address { try Address(text(key)) }
  func decimal(_ key: String) throws -> Word { try Word(decimal: text(key)) }
}
