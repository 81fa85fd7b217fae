import EthereumPrimitives
public import Foundation
import PlumiseWire
import SystemErrors

/// A compiled contract that is there from the first block on.
public struct ContractArtifact: Hashable, Sendable {
  /// The contract's name: the artifact's, or its file's.
  public let name: String
  /// The init code, the constructor's arguments after it.
  public let initCode: [UInt8]

  /// A contract.
  public init(name: String, initCode: [UInt8]) {
    self.name = name
    self.initCode = initCode
  }

  /// Reads an artifact of Hardhat (`bytecode`), of Foundry (`bytecode.object`), or plain JSON with
  /// `bytecode` and, if the constructor takes any, `arguments` in ABI form.
  /// - Throws: ``GenesisFileError`` that names the field.
  public init(contentsOf url: URL) throws {
    let text: [UInt8]
    do { text = Array(try Data(contentsOf: url)) } catch {
      throw GenesisFileError(path: url.path, reason: error.systemReason)
    }
    do {
      try self.init(
        JSON.parse(text), fileName: url.deletingPathExtension().lastPathComponent)
    } catch { throw GenesisFileError(path: url.path, reason: "\(error)") }
  }

  init(_ json: JSON, fileName: String) throws {
    let code = json["bytecode"]?["object"] ?? json["bytecode"]
    guard let text = code?.stringValue else {
      throw GenesisFieldError(
        field: "bytecode", reason: "is missing: name an artifact of Hardhat or Foundry")
    }
    guard !text.contains("__") else {
      throw GenesisFieldError(
        field: "bytecode", reason: "has libraries that are not linked: link them first")
    }
    let digits = text.hasPrefix("0x") ? text : "0x" + text
    guard let bytes = try? Hex.decode(digits), !bytes.isEmpty else {
      throw GenesisFieldError(
        field: "bytecode", reason: "is no hexadecimal text, or empty: an interface has no code")
    }
    let constructor = json["abi"]?.arrayValue?.first { $0["type"] == "constructor" }
    let parameters = constructor?["inputs"]?.arrayValue?.count ?? 0
    var arguments: [UInt8] = []
    if let text = json["arguments"]?.stringValue {
      guard let bytes = try? Hex.decode(text) else {
        throw GenesisFieldError(field: "arguments", reason: "is no hexadecimal text")
      }
      arguments = bytes
    } else if parameters > 0 {
      throw GenesisFieldError(
        field: "arguments",
        reason: "is missing: the constructor takes \(parameters), give them in ABI form")
    }
    self.init(
      name: json["contractName"]?.stringValue ?? json["name"]?.stringValue ?? fileName,
      initCode: bytes + arguments)
  }
}

/// A contract of an artifact that could not be created.
public struct DeploymentError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The contract's name.
  public let contract: String
  /// Why its constructor failed.
  public let reason: String

  /// The contract and why its constructor failed.
  public var description: String { "\(contract) cannot be created: \(reason)" }
}
