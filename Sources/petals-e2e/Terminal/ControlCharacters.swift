extension Unicode.Scalar {
  /// Whether a terminal acts on the character instead of showing it: the controls of ECMA-48 (C0,
  /// DEL and C1), and those that turn the direction of text (UAX #9), which can disguise it.
  fileprivate var isControl: Bool {
    switch value {
    case 0...0x1F, 0x7F...0x9F, 0x202A...0x202E, 0x2066...0x2069: true
    default: false
    }
  }

  /// What stands in the place of a control: its picture (Unicode's Control Pictures), where it has
  /// one.
  fileprivate var picture: Unicode.Scalar {
    switch value {
    case 0...0x1F: Unicode.Scalar(0x2400 + value) ?? "\u{FFFD}"
    case 0x7F: "\u{2421}"
    default: "\u{FFFD}"
    }
  }
}

extension String {
  /// The text with a visible character in the place of each control.
  ///
  /// Text that a service, a peer, a file or a model chose may hold escape sequences, which move the
  /// cursor, change the terminal's title or erase what stands there.
  /// - Parameter kept: Controls that stay.
  package func replacingControls(keeping kept: [Unicode.Scalar] = []) -> String {
    guard unicodeScalars.contains(where: \.isControl) else { return self }
    var result = UnicodeScalarView()
    for scalar in unicodeScalars {
      result.append(scalar.isControl && !kept.contains(scalar) ? scalar.picture : scalar)
    }
    return String(result)
  }

  /// The text as it may be printed on a terminal: of all controls line feeds, tabulators and the
  /// codes of ``TerminalStyle`` are left.
  package var forTerminal: String {
    guard unicodeScalars.contains(where: \.isControl) else { return self }
    var result = UnicodeScalarView()
    var rest = unicodeScalars[...]
    while let scalar = rest.first {
      let code = scalar == "\u{1B}" ? TerminalStyle.code(at: rest) : nil
      if let code {
        result.append(contentsOf: code.unicodeScalars)
        rest.removeFirst(code.unicodeScalars.count)
      } else {
        let stays = scalar == "\n" || scalar == "\t" || !scalar.isControl
        result.append(stays ? scalar : scalar.picture)
        rest.removeFirst()
      }
    }
    return String(result)
  }

  /// The text in one line and without controls, for messages that promise one line.
  ///
  /// Line breaks with the blanks behind them become one blank, tabulators too.
  package var singleLine: String {
    split(whereSeparator: \.isNewline).map { $0.drop(while: \.isWhitespace) }
      .joined(separator: " ").replacing("\t", with: " ").replacingControls()
  }
}
