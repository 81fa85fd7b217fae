extension Array where Element: Sendable {
  /// Transforms all elements concurrently; the results are in the elements' order.
  @discardableResult
  func concurrentMap<R: Sendable>(
    _ transform: @escaping @Sendable (Element) async throws -> R
  ) async throws -> [R] {
    try await withThrowingTaskGroup(of: (Int, R).self) { group in
      for (index, element) in enumerated() {
        group.addTask { (index, try await transform(element)) }
      }
      var results: [(Int, R)] = []
      for try await result in group { results.append(result) }
      return results.sorted { $0.0 < $1.0 }.map(\.1)
    }
  }
}
