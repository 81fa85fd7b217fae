/// The tokens of one generation, made as they are asked for.
///
/// It can be read once. Who stops reading, or is cancelled, ends the sessions on the nodes, which
/// count what was made until then.
public struct TokenStream: AsyncSequence, Sendable {
  /// Asks for one token after another.
  public struct AsyncIterator: AsyncIteratorProtocol {
    let run: GenerationRun

    /// The next token; nil after the last.
    ///
    /// - Throws: ``NodeError`` that names the peer, or `CancellationError`.
    public mutating func next() async throws -> GeneratedToken? { try await run.next() }
  }

  let run: GenerationRun

  /// Reads the tokens.
  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(run: run) }

  /// What came of it; nil until the last token was read.
  public var result: GenerationResult? {
    get async { await run.result }
  }

  /// The nodes that the generation goes through now; nil before its first token and after its end.
  public var route: Route? {
    get async { await run.route }
  }

  /// Reads to the end.
  ///
  /// Nothing changes threads between two tokens, which on small models takes longer than they do:
  /// this is quicker than a loop over the tokens.
  /// - Parameter onToken: Gets each token, on the thread of the connections: it must not block.
  /// - Throws: What the reading throws.
  public func collect(
    _ onToken: @Sendable (GeneratedToken) -> Void = { _ in }
  ) async throws -> GenerationResult {
    try await withTaskExecutorPreference(run.client.executor) {
      while let token = try await run.next() { onToken(token) }
    }
    guard let result = await run.result else {
      throw NodeError(.internalFault, "a generation ended without a result")
    }
    return result
  }
}
