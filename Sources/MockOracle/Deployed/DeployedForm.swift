import PlumiseWire

/// What a body of the deployed dialect consists of: the rules that it is checked by, from which its
/// description is made too.
struct DeployedForm: Sendable {
  /// One field and its rule.
  struct Field: Sendable {
    let name: String
    let rule: DeployedRule
    /// Whether it may be missing, or null.
    let isOptional: Bool

    init(_ name: String, _ rule: DeployedRule, optional: Bool = false) {
      self.name = name
      self.rule = rule
      isOptional = optional
    }
  }

  let fields: [Field]

  /// Adds what is wrong with an object, in the deployed oracle's words and order: unknown
  /// properties first, then field by field.
  /// - Parameter path: where the object stands, with a point behind it; empty for the body.
  func check(_ object: JSONObject, at path: String = "", into faults: inout FieldFaults) {
    for member in object.members where !fields.contains(where: { $0.name == member.key }) {
      if faults.isFull { return }
      faults.add(path + member.key, "\(path)property \(member.key) should not exist")
    }
    for field in fields {
      let value = object[field.name]
      if field.isOptional, value?.isNull != false { continue }
      field.rule.check(value, field.name, at: path, into: &faults)
    }
  }
}

/// What one field must be, with the deployed oracle's words where it is not (Wire.md, deployed
/// dialect).
///
/// Of a field's rules the one that stands closest to it is reported first.
enum DeployedRule: Sendable {
  /// A number of at least so much.
  case number(least: Int)
  /// An Ethereum address of any case.
  case address
  /// Any text.
  case text
  /// A list of texts.
  case texts
  /// True or false.
  case flag
  /// A URL with its protocol.
  case url
  /// 66 hexadecimal characters.
  case hash
  /// A list of objects of a form.
  case list(DeployedForm)

  fileprivate func check(
    _ value: JSON?, _ name: String, at path: String, into faults: inout FieldFaults
  ) {
    if case .list(let form) = self {
      Self.check(value, name, form: form, into: &faults)
      return
    }
    for message in messages(value, name) { faults.add(path + name, path + message) }
  }

  private func messages(_ value: JSON?, _ name: String) -> [String] {
    switch self {
    case .number(let least): DeployedRules.number(value, name, least: least)
    case .address: DeployedRules.address(value, name)
    case .text: DeployedRules.string(value, name)
    case .texts: DeployedRules.texts(value, name)
    case .flag: value?.boolValue == nil ? ["\(name) must be a boolean value"] : []
    case .url: DeployedRules.url(value, name)
    case .hash: DeployedRules.hash(value, name)
    case .list: []
    }
  }

  private static func check(
    _ value: JSON?, _ name: String, form: DeployedForm, into faults: inout FieldFaults
  ) {
    let notObject = "each value in nested property \(name) must be either object or array"
    switch value {
    case .array(let elements):
      for (index, element) in elements.enumerated() where !faults.isFull {
        if let object = element.objectValue {
          form.check(object, at: "\(name).\(index).", into: &faults)
        } else {
          faults.add("\(name).\(index)", "\(name).\(notObject)")
        }
      }
    case .object(let object):
      // A single object in place of a list is looked into, and found to lack the list.
      var inside = FieldFaults()
      form.check(object, at: "\(name).", into: &inside)
      if inside.all.isEmpty { inside.add(name, "\(name) must be an array") }
      for fault in inside.all { faults.add(fault.path, fault.message) }
    default:
      for message in ["\(name) must be an array", notObject] { faults.add(name, message) }
    }
  }
}

extension DeployedForm {
  /// A proof in a report.
  static let proof = DeployedForm(fields: [
    Field("modelHash", .hash), Field("inputHash", .hash), Field("outputHash", .hash),
    Field("tokenCount", .number(least: 1)),
  ])

  /// `POST /api/v1/metrics/report`.
  static let report = DeployedForm(fields: [
    Field("wallet", .address), Field("tokensProcessed", .number(least: 0)),
    Field("avgLatencyMs", .number(least: 0)), Field("requestCount", .number(least: 0)),
    Field("uptimeSeconds", .number(least: 0)), Field("timestamp", .number(least: 0)),
    Field("signature", .text), Field("proofs", .list(proof), optional: true),
  ])

  /// `POST /api/nodes/register`.
  static let node = DeployedForm(fields: [
    Field("address", .address), Field("endpoint", .url), Field("capabilities", .texts),
    Field("timestamp", .number(least: 0)), Field("signature", .text),
    Field("benchmarkTokPerSec", .number(least: 0), optional: true),
    Field("lanIp", .text, optional: true), Field("canDistribute", .flag, optional: true),
  ])

  /// `POST /api/v1/pipeline/register`.
  static let pipelineNode = DeployedForm(fields: [
    Field("address", .address), Field("grpcEndpoint", .url), Field("httpEndpoint", .url),
    Field("model", .text), Field("ramMb", .number(least: 0)), Field("device", .text),
    Field("vramMb", .number(least: 0)), Field("timestamp", .number(least: 0)),
    Field("signature", .text), Field("benchmarkTokPerSec", .number(least: 0), optional: true),
  ])

  /// `POST /api/v1/pipeline/ready`.
  static let pipelineReady = DeployedForm(fields: [
    Field("address", .address), Field("model", .text), Field("timestamp", .number(least: 0)),
    Field("signature", .text),
  ])
}
