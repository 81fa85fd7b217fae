public import EthereumPrimitives

/// A message of the node registry or the pipeline: members that are signed in their order, and
/// others that are only sent.
public struct RegistryMessage: Hashable, Sendable {
  /// The signed members, in the order of the signed text.
  public let members: JSONObject
  /// The members that are not signed.
  public let extras: JSONObject

  init(members: JSONObject, extras: JSONObject = [:]) {
    self.members = members
    self.extras = extras
  }

  /// The text that the signature covers.
  public var signedText: SignedText {
    SignedText(stringified: members.members.map { ($0.key, $0.value) })
  }

  /// The body that is posted: all members and the signature.
  public func body(signedWith key: SecretKey) -> JSON {
    var object = members
    for member in extras.members { object[member.key] = member.value }
    object["signature"] = .string(signedText.signature(by: key).hex)
    return .object(object)
  }

  /// The text that the signature of an arrived body covers, from the members that are signed.
  public static func signedText(_ names: [String], of body: JSONObject) -> SignedText {
    SignedText(stringified: names.map { ($0, body[$0]) })
  }
}
