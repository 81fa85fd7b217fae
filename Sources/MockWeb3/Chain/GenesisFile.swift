public import EVM
public import EthereumPrimitives
public import Foundation
import PlumiseWire
import SystemErrors

/// An account that a chain begins with.
public struct GenesisAccount: Hashable, Sendable {
  /// Wei.
  public var balance: Word
  /// How many transactions it has sent.
  public var nonce: UInt64
  /// Empty for an account that is no contract.
  public var code: [UInt8]
  /// The slots of its storage that have a value.
  public var storage: [Word: Word]

  /// An account.
  public init(
    balance: Word = .zero, nonce: UInt64 = 0, code: [UInt8] = [], storage: [Word: Word] = [:]
  ) {
    self.balance = balance
    self.nonce = nonce
    self.code = code
    self.storage = storage
  }
}

/// The fields of go-ethereum's genesis file that this chain uses: the chain's id and hard fork, the
/// accounts, and from the header time, gas limit, coinbase and base fee.
///
/// The difficulty, the extra data and the settings of Clique are not read: blocks are sealed as
/// ``ChainConfiguration/sealer`` says.
public struct GenesisFile: Hashable, Sendable {
  /// `config.chainId`.
  public var chainID: UInt64?
  /// The latest hard fork of `config` that is in force in the first block; nil where it names none.
  ///
  /// Forks before London count as London, and those after Cancun as Cancun. A total difficulty that ends
  /// the proof of work later than at 0 is not waited for.
  public var hardfork: Hardfork?
  /// `alloc`.
  public var accounts: [Address: GenesisAccount]
  /// `timestamp`, in seconds since 1970.
  public var timestamp: UInt64?
  /// `gasLimit`.
  public var gasLimit: UInt64?
  /// `coinbase`.
  public var coinbase: Address?
  /// `baseFeePerGas`, in wei.
  public var baseFee: Word?

  /// Reads a file.
  /// - Throws: `FileError` that names the field.
  public init(contentsOf url: URL) throws {
    let text: [UInt8]
    do { text = Array(try Data(contentsOf: url)) } catch {
      throw GenesisFileError(path: url.path, reason: error.systemReason)
    }
    do { try self.init(JSON.parse(text)) } catch {
      throw GenesisFileError(path: url.path, reason: "\(error)")
    }
  }

  /// Reads the file's text.
  init(_ json: JSON) throws {
    guard let alloc = json["alloc"]?.objectValue else {
      throw GenesisFieldError(field: "alloc", reason: "is missing, or no object")
    }
    accounts = [:]
    for member in alloc.members {
      let field = "alloc.\(member.key)"
      let text = member.key.hasPrefix("0x") ? member.key : "0x" + member.key
      guard let address = try? Address(text) else {
        throw GenesisFieldError(field: field, reason: "the name is no address")
      }
      accounts[address] = try Self.account(member.value, field)
    }
    chainID = try Self.integer(json["config"]?["chainId"], "config.chainId")
    timestamp = try Self.integer(json["timestamp"], "timestamp")
    hardfork = try Self.hardfork(json["config"], at: timestamp ?? 0)
    gasLimit = try Self.integer(json["gasLimit"], "gasLimit")
    baseFee = try Self.word(json["baseFeePerGas"], "baseFeePerGas")
    if let value = json["coinbase"], !value.isNull {
      guard let text = value.stringValue, let address = try? Address(text) else {
        throw GenesisFieldError(field: "coinbase", reason: "is no address")
      }
      coinbase = address
    }
  }

  private static func hardfork(_ config: JSON?, at timestamp: UInt64) throws -> Hardfork? {
    func isReached(_ name: String, by limit: UInt64) throws -> Bool {
      guard let start = try word(config?[name], "config.\(name)") else { return false }
      return start <= Word(limit)
    }
    for name in ["pragueTime", "cancunTime"] where try isReached(name, by: timestamp) {
      return .cancun
    }
    if try isReached("shanghaiTime", by: timestamp) { return .shanghai }
    for name in ["mergeNetsplitBlock", "terminalTotalDifficulty"] where try isReached(name, by: 0) {
      return .paris
    }
    let names = (config?.objectValue?.members ?? []).map(\.key)
    return names.contains { $0.hasSuffix("Block") } ? .london : nil
  }

  private static func account(_ json: JSON, _ field: String) throws -> GenesisAccount {
    guard json.objectValue != nil else {
      throw GenesisFieldError(field: field, reason: "is no object")
    }
    var account = GenesisAccount(
      balance: try word(json["balance"], "\(field).balance") ?? .zero,
      nonce: try integer(json["nonce"], "\(field).nonce") ?? 0)
    if let code = json["code"] {
      guard let text = code.stringValue, let bytes = try? Hex.decode(text) else {
        throw GenesisFieldError(field: "\(field).code", reason: "is no hexadecimal text")
      }
      account.code = bytes
    }
    let storage = json["storage"] ?? .null
    guard storage.isNull || storage.objectValue != nil else {
      throw GenesisFieldError(field: "\(field).storage", reason: "is no object")
    }
    for slot in storage.objectValue?.members ?? [] {
      let name = "\(field).storage.\(slot.key)"
      guard let key = try word(.string(slot.key), name), let value = try word(slot.value, name)
      else { continue }
      account.storage[key] = value
    }
    return account
  }

  private static func integer(_ json: JSON?, _ field: String) throws -> UInt64? {
    guard let word = try word(json, field) else { return nil }
    guard let integer = word.exactUInt64() else {
      throw GenesisFieldError(field: field, reason: "is above 2⁶⁴ − 1")
    }
    return integer
  }

  /// A number as go-ethereum reads it here: decimal digits, or hexadecimal ones with leading zeros or
  /// without, as text, or a JSON number.
  private static func word(_ json: JSON?, _ field: String) throws -> Word? {
    guard let json, json != .null else { return nil }
    let text: String
    switch json {
    case .string(let digits): text = digits
    case .number(let number) where number.isInteger && !number.text.hasPrefix("-"):
      text = number.text
    default: throw GenesisFieldError(field: field, reason: "is no number")
    }
    if text.hasPrefix("0x") {
      let digits = text.dropFirst(2)
      if digits.count <= 64,
        let padded = try? Hash32(
          "0x" + String(repeating: "0", count: 64 - digits.count) + digits)
      {
        return padded.word
      }
    } else if !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }), text.count <= 78 {
      var value = Word.zero
      for digit in text.utf8 {
        let (product, first) = value.multipliedReportingOverflow(by: 10)
        let (sum, second) = product.addingReportingOverflow(Word(UInt64(digit - 48)))
        guard !first, !second else {
          throw GenesisFieldError(field: field, reason: "is above 2²⁵⁶ − 1")
        }
        value = sum
      }
      return value
    }
    throw GenesisFieldError(field: field, reason: "\"\(text)\" is no number")
  }
}

/// A field of a genesis file or an artifact that cannot be used.
struct GenesisFieldError: Error, CustomStringConvertible {
  let field: String
  let reason: String

  var description: String { "\(field) \(reason)" }
}

/// A genesis file or an artifact that cannot be used.
public struct GenesisFileError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The file.
  public let path: String
  /// What is wrong, with the field's name.
  public let reason: String

  /// The file and what is wrong.
  public var description: String { "\(path): \(reason)" }
}
