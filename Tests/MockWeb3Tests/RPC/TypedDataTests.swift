import EthereumClient
import EthereumPrimitives
import Foundation
import MockWeb3
import PlumiseWire
import TestSupport
import TestVectors
import Testing

@Suite("Typed data (EIP-712)", .timeLimit(.minutes(5)))
struct TypedDataTests {
  private struct Vector {
    let name: String
    let data: JSON
    let domainSeparator, structHash, hash, signature: String
  }

  private static func vectors() throws -> [Vector] {
    let file = try JSON.parse([UInt8](Data(contentsOf: TestVectors.typedData)))
    return try (file.arrayValue ?? []).map { json in
      func text(_ name: String) throws -> String { try #require(json[name]?.stringValue) }
      return Vector(
        name: try text("name"), data: try #require(json["data"]),
        domainSeparator: try text("domainSeparator"), structHash: try text("structHash"),
        hash: try text("hash"), signature: try text("signature"))
    }
  }

  @Test("Hashes and signatures are the EIP's and eth-account's")
  func vectors() async throws {
    let vectors = try Self.vectors()
    #expect(vectors.count == 61)
    // The EIP's example has a key of its own.
    let cow = DevelopmentAccount(key: try SecretKey(bytes: Keccak256.hash("cow").bytes))
    let network = TestChain(
      ChainConfiguration(accounts: [cow] + DevelopmentAccount.standard))
    for (index, vector) in vectors.enumerated() {
      let name = Comment(rawValue: vector.name)
      let data = try TypedData(vector.data)
      #expect(try data.domainSeparator().hex == vector.domainSeparator, name)
      #expect(try data.messageHash().hex == vector.structHash, name)
      #expect(try data.signingHash().hex == vector.hash, name)
      let account = JSON.string(network.account(index == 0 ? 0 : 1).address.lowercaseHex)
      for form in [vector.data, .string(vector.data.text)] {
        #expect(
          try await network.client.request("eth_signTypedData_v4", [account, form])
            == .string(vector.signature), name)
      }
      #expect(
        try await network.client.request("eth_signTypedData", [account, vector.data])
          == .string(vector.signature), name)
    }
  }

  /// The EIP's example, with a part replaced; nil takes it out.
  private func mail(_ changes: (path: [String], value: JSON?)...) throws -> JSON {
    let vectors = try Self.vectors()
    var mail = try #require(vectors.first).data
    for change in changes { mail = replacing(change.path[...], in: mail, with: change.value) }
    return mail
  }

  private func replacing(_ path: ArraySlice<String>, in json: JSON, with value: JSON?) -> JSON {
    guard let name = path.first, var object = json.objectValue else { return value ?? .null }
    if path.count == 1 {
      object[name] = value
    } else {
      object[name] = replacing(path.dropFirst(), in: object[name] ?? [:], with: value)
    }
    return .object(object)
  }

  @Test("A domain that the types do not declare is what its members say")
  func derivedDomain() throws {
    let whole = try TypedData(mail())
    let derived = try TypedData(mail((["types", "EIP712Domain"], nil)))
    #expect(try derived.signingHash() == whole.signingHash())
    let error = #expect(throws: TypedDataError.self) {
      try TypedData(
        mail((["types", "EIP712Domain"], nil), (["domain", "chain"], 1)))
    }
    #expect(error == .unknownDomainField("chain"))
  }

  @Test("A message that is a domain itself is signed by the domain's hash alone")
  func domainAsMessage() throws {
    let data = try TypedData(mail((["primaryType"], "EIP712Domain")))
    let bytes = [0x19, 0x01] + (try data.domainSeparator()).bytes
    #expect(try data.signingHash() == Keccak256.hash(bytes))
  }

  @Test("Types that refer to one another without end in sight are refused")
  func longTypes() async throws {
    // Each of 3000 types refers to all behind it, and the message has a structure of each.
    var types: JSONObject = ["EIP712Domain": []]
    var fields: [JSON] = []
    var message: JSONObject = [:]
    for index in 0..<3_000 {
      let next: JSON = ["name": "next", "type": .string("Type\(index + 1)")]
      types["Type\(index)"] = .array([next])
      fields.append(["name": .string("field\(index)"), "type": .string("Type\(index)")])
      message["field\(index)"] = ["next": nil]
    }
    types["Type3000"] = [["name": "last", "type": "uint256"]]
    types["All"] = .array(fields)
    let data: JSON = [
      "types": .object(types), "primaryType": "All", "domain": [:], "message": .object(message),
    ]
    let network = TestChain()
    let account = JSON.string(network.account(0).address.lowercaseHex)
    let failure = try await network.failure("eth_signTypedData_v4", account, data)
    #expect(failure?.message.contains("16 million characters") == true, "\(failure as Any)")
  }

  @Test("Version 3 signs the same, and refuses arrays and structures that are null")
  func version3() async throws {
    let network = TestChain()
    let account = JSON.string(network.account(0).address.lowercaseHex)
    let plain = try mail()
    #expect(
      try await network.client.request("eth_signTypedData_v3", [account, plain])
        == network.client.request("eth_signTypedData_v4", [account, plain]))
    let array = try mail(
      (["types", "Mail"], [["name": "names", "type": "string[]"]]),
      (["message"], ["names": []]))
    let null = try mail((["message", "to"], .null))
    for (data, words) in [
      (array, "message.names is a string[], which version 3 cannot sign"),
      (null, "message.to is a null Person, which version 3 cannot sign"),
    ] {
      #expect(
        try await network.failure("eth_signTypedData_v3", account, data)
          == RPCFailure(
            code: -32602, message: "invalid argument 1: \(words): use eth_signTypedData_v4"))
      #expect(try await network.failure("eth_signTypedData_v4", account, data) == nil)
    }
  }

  @Test("An account that the chain does not have signs nothing")
  func unknownAccount() async throws {
    let network = TestChain()
    let nobody = JSON.string(Address.precompile(0xaa).lowercaseHex)
    #expect(
      try await network.failure("eth_signTypedData_v4", nobody, mail())
        == .refused("unknown account"))
  }

  /// The message is one value of a type, and what is said of it.
  @Test(
    "A value that is none of its type is refused by its name",
    arguments: [
      ("uint8", 256, "message.x is no uint8: 256"), ("uint8", -1, "message.x is no uint8: -1"),
      ("uint8", "0x100", "message.x is no uint8: \"0x100\""),
      ("uint8", "1.0", "message.x is no uint8: \"1.0\""),
      ("uint8", true, "message.x is no uint8: true"),
      ("int8", 128, "message.x is no int8: 128"), ("int8", -129, "message.x is no int8: -129"),
      ("bool", 1, "message.x is no bool: 1"), ("string", 1, "message.x is no string: 1"),
      ("address", "0x12", "message.x is no address: \"0x12\""),
      ("bytes2", "0x12", "message.x is no bytes2: \"0x12\""),
      ("bytes", "0x123", "message.x is no bytes: \"0x123\""),
      ("bytes", "text", "message.x is no bytes: \"text\""),
      ("uint8[2]", [1], "message.x is no uint8[2]: it has 1 elements"),
      ("uint8[]", [1, "x"], "message.x[1] is no uint8: \"x\""),
      ("uint8[]", 1, "message.x is no uint8[]: 1"),
      ("uint8", nil, "message.x is missing: its type is uint8"),
      ("uint8[]", nil, "message.x is missing: its type is uint8[]"),
      ("Person", "Cow", "message.x is no Person: \"Cow\""),
      ("Person", ["name": "Cow"], "message.x.wallet is missing: its type is address"),
      ("uint7", 1, "types.Mail.x has the type uint7, which types does not declare"),
      ("uint08", 1, "types.Mail.x has the type uint08, which types does not declare"),
      ("bytes33", "0x", "types.Mail.x has the type bytes33, which types does not declare"),
      ("uint8[01]", [1], "message.x has the type uint8[01], which types does not declare"),
      ("Nobody", 1, "types.Mail.x has the type Nobody, which types does not declare"),
    ] as [(String, JSON, String)])
  func refusedValues(type: String, value: JSON, words: String) throws {
    let message: JSON = value.isNull ? [:] : ["x": value]
    let data = try TypedData(
      mail(
        (["types", "Mail"], [["name": "x", "type": .string(type)]]), (["message"], message)))
    let error = #expect(throws: TypedDataError.self) { try data.signingHash() }
    #expect(error?.description == words)
  }

  @Test(
    "A part that is missing or of another kind is named",
    arguments: [
      (["types"], nil, "types is missing: it must be an object"),
      (["types"], 1, "types is 1: it must be an object"),
      (["domain"], nil, "domain is missing: it must be an object"),
      (["message"], nil, "message is missing: it must be an object"),
      (["message"], 1, "message is no Mail: 1"),
      (["primaryType"], "Letter", "primaryType is \"Letter\": it must be the name of one of types"),
      (["types", "Person"], 5, "types.Person is 5: it must be an array"),
      (
        ["types", "Person"], [["name": "x"]],
        "types.Person[0] is an object of 1: it must be an object with name and type, both texts"
      ),
      (
        ["types", "uint8"], [],
        "types.uint8 cannot be declared: a structure has an identifier that no type of EIP-712 has"
      ),
      (
        ["types", "A b"], [],
        "types.A b cannot be declared: a structure has an identifier that no type of EIP-712 has"
      ),
    ] as [([String], JSON?, String)])
  func refusedParts(path: [String], value: JSON?, words: String) throws {
    let json = try mail((path, value))
    let error = #expect(throws: TypedDataError.self) { try TypedData(json).signingHash() }
    #expect(error?.description == words)
  }

  @Test("Text that is no JSON is refused as an argument")
  func malformedText() async throws {
    let network = TestChain()
    let account = JSON.string(network.account(0).address.lowercaseHex)
    let failure = try await network.failure("eth_signTypedData_v4", account, "{")
    #expect(failure?.code == -32602)
    #expect(failure?.message.hasPrefix("invalid argument 1: ") == true)
  }
}
