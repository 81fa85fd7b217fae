import ArgumentParser

/// What every service takes.
struct ServiceOptions: ParsableArguments {
  @Option(help: "The address to listen on.")
  var host = "127.0.0.1"

  @Flag(help: .hidden)
  var exitWithStdin = false

  @OptionGroup var output: OutputOptions

  /// Tells what happened, in the form that was asked for.
  ///
  /// Events are results of a service: `--quiet` keeps them.
  func announce(_ event: ServiceEvent) {
    output.result(event.json, text: event.text)
  }

  /// What ends the service.
  func stopRequests() -> StopRequests {
    StopRequests(watchingStandardInput: exitWithStdin)
  }
}
