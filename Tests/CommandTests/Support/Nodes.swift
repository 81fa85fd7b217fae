import Testing

extension Command {
  /// Runs nodes of a model as processes on free ports while a body runs.
  /// - Parameters:
  ///   - blocks: one node's blocks each, first-last.
  ///   - model: the model's folder.
  ///   - body: gets the nodes' addresses, in the order of their blocks.
  static func withNodes(
    _ blocks: [String], of model: String = GenerateTests.tiny,
    _ body: @escaping @Sendable ([String]) async throws -> Void
  ) async throws {
    try await withNodes(blocks, of: model, after: [], body)
  }

  private static func withNodes(
    _ blocks: [String], of model: String, after peers: [String],
    _ body: @escaping @Sendable ([String]) async throws -> Void
  ) async throws {
    guard let first = blocks.first else { return try await body(peers) }
    let result = try await withService(
      ["node", "--model", model, "--blocks", first, "--port", "0", "--json"]
    ) { node in
      let peer = try await node.url().replacing("grpc://", with: "")
      try await withNodes(Array(blocks.dropFirst()), of: model, after: peers + [peer], body)
      try node.send(.terminate)
    }
    #expect(result.status == .exited(0), "\(result.errors)")
  }
}
