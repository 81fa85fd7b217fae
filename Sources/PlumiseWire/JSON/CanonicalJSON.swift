/// The form of JSON that the documented dialect signs.
///
/// Keys sorted by code point at every level, no white space, everything outside printable ASCII
/// escaped as `\uXXXX` (surrogate pairs beyond the basic plane), `/` as it is, and numbers exactly
/// as they stand in the value: what a body spells `100.0` is signed as `100.0`. It is what Python's
/// `json.dumps(payload, sort_keys=True, separators=(",", ":"))` gives.
public enum CanonicalJSON {
  /// The canonical text of a value.
  public static func text(of value: JSON) -> String {
    var printer = JSONPrinter(escapesNonASCII: true, sortsKeys: true)
    printer.append(value)
    return String(decoding: printer.output, as: UTF8.self)
  }
}
