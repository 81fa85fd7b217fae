import ArgumentParser
import PlumiseWire

/// What every subcommand that prints takes: the form of its results, and how much it says besides.
struct OutputOptions: ParsableArguments {
  @Flag(help: "Print results as JSON on standard output, everything else on standard error.")
  var json = false

  @Flag(help: "Print results and errors only.")
  var quiet = false

  /// Prints a result, in the form that was asked for.
  func result(_ object: @autoclosure () -> JSON, text: @autoclosure () -> String) {
    StandardStream.output.write(line: json ? object().text : text())
  }

  /// Says something that is no result.
  ///
  /// It belongs to the flow of text; with `--json`, standard output is left to the results.
  func note(_ text: @autoclosure () -> String) {
    if quiet { return }
    (json ? StandardStream.error : .output).write(line: text())
  }
}
