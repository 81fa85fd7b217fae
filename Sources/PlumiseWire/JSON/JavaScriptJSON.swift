/// The form of JSON that the deployed dialect signs: what JavaScript's `JSON.stringify` gives.
///
/// Keys in their order, no white space, raw UTF-8, and numbers as JavaScript prints them after it
/// has read them as doubles: what a body spells `600.0` is signed as `600`.
public enum JavaScriptJSON {
  /// The text that `JSON.stringify` gives for a value.
  public static func text(of value: JSON) -> String { reprinted(value).text }

  private static func reprinted(_ value: JSON) -> JSON {
    switch value {
    case .null, .bool, .string: return value
    case .number(let number):
      let double = number.double
      // JavaScript reads 1e400 as Infinity and prints what JSON cannot spell as null.
      return double.isFinite ? .number(JSONNumber(javaScript: double)) : .null
    case .array(let elements): return .array(elements.map(reprinted))
    case .object(let object):
      let members = object.members.map { ($0.key, reprinted($0.value)) }
      return .object(JSONObject(uniqueMembers: members))
    }
  }
}
