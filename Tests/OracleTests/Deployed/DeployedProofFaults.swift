import EthereumPrimitives
import PlumiseWire

/// Reports whose proofs the deployed dialect refuses, and every message that it has for them.
extension DeployedFault {
  static let proofs = lists + hashes + tokenCounts

  private static let notObject =
    "each value in nested property proofs must be either object or array"

  /// What stands in the place of the list, or of one of its elements.
  private static let lists: [DeployedFault] = {
    let valid = validProof()
    let lacking =
      (["modelHash", "inputHash", "outputHash"].flatMap { missing($0) })
      + tokenMessages
    var faults: [DeployedFault] = []
    for value in [5, true, "x"] as [JSON] {
      faults.append(
        .init("proofs \(value)", ["proofs must be an array", notObject]) { $0["proofs"] = value })
    }
    for value in [5, nil, "x", [5]] as [JSON] {
      faults.append(
        .init("proofs that hold \(value)", ["proofs." + notObject]) { $0["proofs"] = [value] })
    }
    faults += [
      .init("proofs that are one proof", ["proofs must be an array"]) {
        $0["proofs"] = .object(valid)
      },
      .init("proofs that are an empty object", lacking.map { "proofs." + $0 }) {
        $0["proofs"] = [:]
      },
      .init("an empty proof", lacking.map { "proofs.0." + $0 }) { $0["proofs"] = [[:]] },
      .init("a good proof before one that is none", ["proofs." + notObject]) {
        $0["proofs"] = [.object(valid), 5]
      },
      .init("a second proof without tokens", tokenMessages.map { "proofs.1." + $0 }) {
        var bare = valid
        bare["tokenCount"] = nil
        $0["proofs"] = [.object(valid), .object(bare)]
      },
      proof(
        "the documented form",
        ["property agentAddress should not exist", "property proofHash should not exist"]
      ) {
        $0["agentAddress"] = .string(Address.zero.checksummed)
        $0["proofHash"] = .string(Hash32.zero.hex)
      },
    ]
    return faults
  }()

  /// Each of the hashes, by the same rules.
  private static let hashes = ["modelHash", "inputHash", "outputHash"].flatMap { name in
    let hexadecimal = "\(name) must be a hexadecimal number"
    let string = "\(name) must be a string"
    let short = "\(name) must be longer than or equal to 66 characters"
    let long = "\(name) must be shorter than or equal to 66 characters"
    let between =
      "\(name) must be longer than or equal to 66 and shorter than or equal to 66 characters"
    var faults = [proof("no \(name)", missing(name)) { $0[name] = nil }]
    let texts: [(String, String, [String])] = [
      ("is empty", "", [short, hexadecimal]), ("is short", "0x12", [short]),
      ("is long", Hash32.zero.hex + "00", [long]),
      ("is no digits", "0x" + String(repeating: "z", count: 64), [hexadecimal]),
      ("is one digit less", String(Hash32.zero.hex.dropLast()), [short]),
    ]
    for (kind, text, messages) in texts {
      faults.append(proof("\(name) \(kind)", messages) { $0[name] = .string(text) })
    }
    for value in [nil, false, 0, []] as [JSON] {
      faults.append(
        proof("\(name) \(value)", [short, hexadecimal, string]) { $0[name] = value })
    }
    for value in [5, true, [:]] as [JSON] {
      faults.append(
        proof("\(name) \(value)", [between, hexadecimal, string]) { $0[name] = value })
    }
    return faults
  }

  private static let tokenMessages = [
    "tokenCount must not be less than 1",
    "tokenCount must be a number conforming to the specified constraints",
  ]

  private static let tokenCounts: [DeployedFault] = {
    var faults = [proof("no tokenCount", tokenMessages) { $0["tokenCount"] = nil }]
    for value in ["1", nil, true, [], [:]] as [JSON] {
      faults.append(proof("tokenCount \(value)", tokenMessages) { $0["tokenCount"] = value })
    }
    for text in ["0", "-1", "0.5"] {
      faults.append(
        proof("tokenCount \(text)", [tokenMessages[0]]) { $0["tokenCount"] = number(text) })
    }
    faults += [
      proof("tokenCount 1e999", [tokenMessages[1]]) { $0["tokenCount"] = number("1e999") },
      proof("tokenCount -1e999", tokenMessages) { $0["tokenCount"] = number("-1e999") },
    ]
    return faults
  }()

  /// What is said of a hash that is not there.
  private static func missing(_ name: String) -> [String] {
    [
      "\(name) must be longer than or equal to 66 characters",
      "\(name) must be a hexadecimal number", "\(name) must be a string",
    ]
  }

  private static func proof(
    _ name: String, _ messages: [String], _ change: @escaping @Sendable (inout JSONObject) -> Void
  ) -> DeployedFault {
    DeployedFault("proof: " + name, messages.map { "proofs.0." + $0 }) { body in
      var proof = validProof()
      change(&proof)
      body["proofs"] = [.object(proof)]
    }
  }

  private static func validProof() -> JSONObject {
    [
      "modelHash": .string(Hash32.zero.hex), "inputHash": .string(Hash32.zero.hex),
      "outputHash": .string(Hash32.zero.hex), "tokenCount": 1,
    ]
  }

  private static func number(_ text: String) -> JSON {
    JSONNumber(text).map(JSON.number) ?? .null
  }
}
