import EthereumPrimitives
import PlumiseWire

/// A report of the deployed dialect whose form is right; whose it is, is not known yet.
struct DeployedBody {
  private static let fields = [
    "wallet", "tokensProcessed", "avgLatencyMs", "requestCount", "uptimeSeconds", "timestamp",
    "signature", "proofs",
  ]
  private static let proofFields = ["modelHash", "inputHash", "outputHash", "tokenCount"]

  let agent: Address
  let tokensProcessed: Double
  let averageLatencyMilliseconds: Double
  let requestCount: Double
  let uptimeSeconds: Double
  let timestamp: Double
  let signature: String
  let proofs: [(hashes: [String], tokenCount: Double)]
  /// What the signature must be of.
  let signedText: SignedText

  /// Reads a body.
  /// - Throws: ``Refusal/malformed(_:)``, or ``Refusal/invalid(_:)`` with every fault in the
  ///   deployed oracle's words and order.
  init(_ bytes: [UInt8]) throws(Refusal) {
    let body: JSON
    do { body = try JSON.parse(bytes) } catch { throw .malformed(error.description) }
    guard body.objectValue != nil || body.arrayValue != nil else {
      throw .malformed("the body is neither an object nor an array")
    }
    let object = body.objectValue ?? JSONObject()
    let faults = Self.faults(in: object)
    guard faults.isEmpty, let wallet = object["wallet"]?.stringValue,
      // The rules above have seen that it is an address.
      let agent = try? Address(wallet),
      let tokens = object["tokensProcessed"]?.numberValue,
      let latency = object["avgLatencyMs"]?.doubleValue,
      let requests = object["requestCount"]?.doubleValue,
      let uptime = object["uptimeSeconds"]?.doubleValue,
      let timestamp = object["timestamp"]?.numberValue,
      let signature = object["signature"]?.stringValue
    else { throw .invalid(faults) }
    self.agent = agent
    tokensProcessed = tokens.double
    averageLatencyMilliseconds = latency
    requestCount = requests
    uptimeSeconds = uptime
    self.timestamp = timestamp.double
    self.signature = signature
    proofs = (object["proofs"]?.arrayValue ?? []).map { proof in
      let hashes = Self.proofFields.prefix(3).map { proof[$0]?.stringValue ?? "" }
      return (hashes, proof["tokenCount"]?.doubleValue ?? 0)
    }
    signedText = DeployedReport.signedText(
      agent: .string(wallet), tokens: .number(tokens), timestamp: .number(timestamp))
  }

  private static func faults(in object: JSONObject) -> [FieldFault] {
    func rules(_ name: String, _ check: (JSON?, String) -> [String]) -> [FieldFault] {
      check(object[name], name).map { FieldFault(path: name, message: $0) }
    }
    var faults = unknown(in: object, known: fields, at: "")
    faults += rules("wallet", DeployedRules.address)
    for name in ["tokensProcessed", "avgLatencyMs", "requestCount", "uptimeSeconds", "timestamp"] {
      faults += rules(name) { DeployedRules.number($0, $1, least: 0) }
    }
    faults += rules("signature", DeployedRules.string)
    if let proofs = object["proofs"], !proofs.isNull { faults += proofFaults(proofs) }
    return faults
  }

  private static func proofFaults(_ proofs: JSON) -> [FieldFault] {
    let notObject = "each value in nested property proofs must be either object or array"
    switch proofs {
    case .array(let elements):
      return elements.enumerated().flatMap { index, element in
        element.objectValue.map { proofFaults(of: $0, at: "proofs.\(index)") }
          ?? [FieldFault(path: "proofs.\(index)", message: "proofs.\(notObject)")]
      }
    case .object(let object):
      // A single proof in place of a list is looked into, and found to lack the list.
      let inside = proofFaults(of: object, at: "proofs")
      return inside.isEmpty
        ? [FieldFault(path: "proofs", message: "proofs must be an array")] : inside
    default:
      return ["proofs must be an array", notObject].map { FieldFault(path: "proofs", message: $0) }
    }
  }

  private static func proofFaults(of proof: JSONObject, at path: String) -> [FieldFault] {
    var faults = unknown(in: proof, known: proofFields, at: path + ".")
    for name in proofFields {
      let messages =
        name == "tokenCount"
        ? DeployedRules.number(proof[name], name, least: 1)
        : DeployedRules.hash(proof[name], name)
      faults += messages.map { FieldFault(path: "\(path).\(name)", message: "\(path).\($0)") }
    }
    return faults
  }

  private static func unknown(
    in object: JSONObject, known: [String], at prefix: String
  ) -> [FieldFault] {
    object.keys.filter { !known.contains($0) }.map {
      FieldFault(path: prefix + $0, message: "\(prefix)property \($0) should not exist")
    }
  }
}
