import TextKeys

/// The command line as it is handed to ArgumentParser, which looks for `=` among Characters.
///
/// A combining mark behind the sign makes one Character of the two, so that `--text=◌́` names no known
/// option; and it takes `--text=` for `--text` without a value. Such an argument is handed over as the
/// two that it means. What begins with a mark, or is empty, is no option: it is taken as the value.
enum CommandArguments {
  /// The arguments, with those that ArgumentParser would misread split into name and value.
  static func parsable(_ arguments: [String]) -> [String] {
    var areOptionsOver = false
    return arguments.flatMap { argument -> [String] in
      if argument.isExactly("--") { areOptionsOver = true }
      guard !areOptionsOver, argument.starts(withExactly: "--"),
        let sign = argument.utf8.firstIndex(of: UInt8(ascii: "="))
      else { return [argument] }
      let value = argument.utf8[sign...].dropFirst()
      if !value.isEmpty, argument.firstIndex(of: "=") == sign { return [argument] }
      return [String(argument[..<sign]), String(decoding: value, as: UTF8.self)]
    }
  }
}
