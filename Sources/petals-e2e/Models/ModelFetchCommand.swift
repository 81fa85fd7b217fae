import ArgumentParser
import Bloom
import Foundation
import PlumiseWire

/// `model fetch`: a checkpoint from a hub.
struct ModelFetchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fetch",
    abstract: "Download a checkpoint from a hub, check it, go on where an earlier try ended.",
    discussion: """
      Brings config.json, generation_config.json, tokenizer.json and the safetensors. HF_TOKEN is
      sent to the hub when it is set.

      EXAMPLE
        petals-e2e model fetch bigscience/bloom-560m --out bloom-560m
      """)

  @Argument(help: "The model's name, OWNER/NAME.")
  var name: String

  @Option(help: "The folder to write.")
  var out: String

  @Option(
    within: .serviceURL, help: "The hub's address (HF_ENDPOINT, else \(Hub.defaultEndpoint)).")
  var endpoint: String?

  @Option(help: "A branch, a tag or a commit.")
  var revision = "main"

  @OptionGroup var output: OutputOptions

  func run() async throws {
    let name = try HubName(name)
    guard (try? HubName(revision)) != nil else {
      throw CommandFailure.wrongInput("--revision '\(revision)' is no branch, tag or commit")
    }
    let environment = ProcessInfo.processInfo.environment
    let hub = Hub(
      endpoint: try endpoint ?? Hub.endpoint(environment["HF_ENDPOINT"]),
      token: environment["HF_TOKEN"])
    let folder = URL(filePath: out, directoryHint: .isDirectory)
    let listing = try await listing(of: name, from: hub)
    let files = try listing.checkpointFiles(of: name)
    try CommandFailure.checkingInput {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }
    let download = HubDownload(hub: hub, name: name, commit: listing.commit, folder: folder)
    let outcomes = try await fetch(files, download)
    let checkpoint = try ModelFolder.checkpoint(out)
    output.result(
      [
        "model": .string(name.description), "revision": .string(listing.commit),
        "directory": .string(out), "fingerprint": .string(checkpoint.fingerprint),
        "files": .array(zip(files, outcomes).map(Self.description)),
      ], text: out)
  }

  private func listing(of name: HubName, from hub: Hub) async throws -> HubListing {
    do {
      return try await hub.listing(of: name, revision: revision)
    } catch let failure as CommandFailure {
      throw failure
    } catch {
      throw CommandFailure.failed("\(hub.endpoint) cannot be asked: \(error)")
    }
  }

  private func fetch(
    _ files: [HubFile], _ download: HubDownload
  ) async throws -> [HubDownload.Outcome] {
    // As doubles: what a foreign hub says may be more than 64 bits hold in all.
    let total = max(1, files.reduce(0.0) { $0 + Double($1.size) })
    let bar = ProgressBar("fetching \(download.name)", quiet: output.quiet)
    defer { bar.finish() }
    var before = 0.0
    var outcomes: [HubDownload.Outcome] = []
    for file in files {
      let outcome = try await download.fetch(file) { bar.update((before + Double($0)) / total) }
      before += Double(file.size)
      outcomes.append(outcome)
      output.note("\(file.name)  \(file.size) bytes\(outcome.note)")
    }
    return outcomes
  }

  private static func description(_ file: HubFile, _ outcome: HubDownload.Outcome) -> JSON {
    var fetchedFrom = JSON.null
    if case .fetched(let offset) = outcome { fetchedFrom = .integer(offset) }
    return [
      "name": .string(file.name), "bytes": .integer(file.size),
      "checksum": .string(file.checksum.hexadecimal), "fetched_from": fetchedFrom,
    ]
  }
}

extension HubDownload.Outcome {
  fileprivate var note: String {
    switch self {
    case .present: ", there before"
    case .fetched(from: 0): ""
    case .fetched(let offset): ", gone on from byte \(offset)"
    }
  }
}
