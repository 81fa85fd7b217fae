import EthereumPrimitives
import PlumiseWire

/// A report of the deployed dialect whose form is right; whose it is, is not known yet.
struct DeployedBody {
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
    let object = try DeployedForm.report.read(bytes)
    guard let wallet = object["wallet"]?.stringValue,
      // The rules have seen that it is an address.
      let agent = try? Address(wallet),
      let tokens = object["tokensProcessed"]?.numberValue,
      let latency = object["avgLatencyMs"]?.doubleValue,
      let requests = object["requestCount"]?.doubleValue,
      let uptime = object["uptimeSeconds"]?.doubleValue,
      let timestamp = object["timestamp"]?.numberValue,
      let signature = object["signature"]?.stringValue
    else { throw .invalid([]) }
    self.agent = agent
    tokensProcessed = tokens.double
    averageLatencyMilliseconds = latency
    requestCount = requests
    uptimeSeconds = uptime
    self.timestamp = timestamp.double
    self.signature = signature
    proofs = (object["proofs"]?.arrayValue ?? []).map { proof in
      let hashes = DeployedForm.proof.fields.prefix(3).map { proof[$0.name]?.stringValue ?? "" }
      return (hashes, proof["tokenCount"]?.doubleValue ?? 0)
    }
    signedText = DeployedReport.signedText(
      agent: .string(wallet), tokens: .number(tokens), timestamp: .number(timestamp))
  }
}

extension DeployedForm {
  /// Reads a body of this form.
  /// - Throws: ``Refusal/malformed(_:)`` or ``Refusal/invalid(_:)``.
  func read(_ bytes: [UInt8]) throws(Refusal) -> JSONObject {
    let body: JSON
    do { body = try JSON.parse(bytes) } catch { throw .malformed(error.description) }
    guard body.objectValue != nil || body.arrayValue != nil else {
      throw .malformed("the body is neither an object nor an array")
    }
    let object = body.objectValue ?? JSONObject()
    var faults = FieldFaults()
    check(object, into: &faults)
    guard faults.all.isEmpty else { throw .invalid(faults.all) }
    return object
  }
}
