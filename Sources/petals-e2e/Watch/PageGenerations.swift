import AsyncPrimitives
import Bloom
import NetworkWatch
import PetalsNode
import PlumiseTesting
import PlumiseWire
import Synchronization

/// Generations that are ordered on the page: through the links, each token told with its rank and its hops.
final class PageGenerations: Sendable {
  private let model: ClientModel
  private let tokenizer: Tokenizer?
  private let links: [NodeLinks.Link]
  private let events: EventStream
  private let tasks: TaskScope
  private let counts = Mutex((begun: 0, running: 0))
  /// More generations at once than this are refused.
  private static let maximumRunning = 16

  /// - Parameter tasks: Ends the generations with the network.
  init(
    _ checkpoint: Checkpoint, _ links: [NodeLinks.Link], _ events: EventStream, _ tasks: TaskScope
  ) throws {
    tokenizer = try ModelFolder.tokenizer(of: checkpoint)
    model = ClientModel(checkpoint, tokenizer: tokenizer)
    self.links = links
    self.events = events
    self.tasks = tasks
  }

  /// Begins a generation.
  /// - Returns: Its number; what becomes of it is told by events.
  /// - Throws: `OrderRefusal` for a prompt that the model cannot take.
  func begin(_ prompt: String, _ maxNewTokens: Int, _ temperature: Float) throws -> Int {
    guard let tokenizer else {
      throw OrderRefusal("the model has no tokenizer.json, which a prompt needs", isConflict: true)
    }
    let request: PipelineRequest
    do {
      request = try PipelineRequest(
        promptIDs: tokenizer.encode(prompt), prompt: prompt, maxNewTokens: maxNewTokens,
        sampling: SamplingParameters(temperature: temperature),
        seed: UInt64.random(in: .min ... .max), isTraced: true)
    } catch {
      throw OrderRefusal("\(error)")
    }
    let number = try counts.withLock { counts in
      guard counts.running < Self.maximumRunning else {
        throw OrderRefusal(
          "\(Self.maximumRunning) generations of the page run already: wait for one to end",
          isConflict: true)
      }
      counts.begun += 1
      counts.running += 1
      return counts.begun
    }
    var began = GenerationNews(number, .began)
    began.prompt = prompt
    events.record("page", .generation(began))
    tasks.spawn {
      await self.run(request, number)
      self.counts.withLock { $0.running -= 1 }
    }
    return number
  }

  private func run(_ request: PipelineRequest, _ number: Int) async {
    let text = Mutex(tokenizer.map { TextStream($0) })
    do {
      let result = try await withPipelineClient(model, peers: links.map(\.link.peer)) { client in
        try await client.generate(request).collect { token in
          self.tell(token, of: number, text.withLock { $0?.append(token.id) })
        }
      }
      var ended = GenerationNews(number, .ended)
      ended.tokens = result.generatedIDs.count
      ended.text = text.withLock { $0?.finish() }
      ended.milliseconds = result.duration / .milliseconds(1)
      ended.reason = result.finishReason.rawValue
      events.record("page", .generation(ended))
    } catch {
      var failed = GenerationNews(number, .failed)
      failed.reason = "\(error)".singleLine
      events.record("page", .generation(failed))
    }
  }

  private func tell(_ token: GeneratedToken, of number: Int, _ text: String?) {
    var news = GenerationNews(number, .token)
    news.index = token.index
    news.token = Int(token.id)
    news.text = text
    news.rank = token.trace?.rank
    news.milliseconds = token.elapsed / .milliseconds(1)
    news.hops = token.trace?.hops.map { hop in
      GenerationNews.Hop(
        part: links.first { $0.link.peer.description == hop.peer }?.name ?? hop.peer,
        blocks: "\(hop.blocks)", milliseconds: hop.elapsed / .milliseconds(1),
        computeMilliseconds: hop.computeTime / .milliseconds(1))
    }
    events.record("page", .generation(news))
  }
}
