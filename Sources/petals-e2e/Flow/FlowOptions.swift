import ArgumentParser

/// What `run` generates, and where it reports; `up` takes the same, so that one line serves both.
struct FlowOptions: ParsableArguments {
  @Option(help: "The text to continue (up continues none).")
  var prompt = "Explain quantum computing"

  @Option(within: .newTokens, help: "Generate at most so many tokens; up generates none.")
  var maxNewTokens = 32

  @Option(help: "The folder for report.html and report.json (up writes none).")
  var report = "report"
}
