import ArgumentParser
import PlumiseWire

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
  /// - Parameter details: members that the event's JSON object has besides its own.
  func announce(_ event: ServiceEvent, details: JSONObject = [:]) {
    var object = event.json.objectValue ?? [:]
    for member in details.members { object[member.key] = member.value }
    output.result(.object(object), text: event.text)
  }

  /// What ends the service.
  func stopRequests() -> StopRequests {
    StopRequests(watchingStandardInput: exitWithStdin)
  }
}
