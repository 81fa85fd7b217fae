import Synchronization

/// The intermediate values of one pass through blocks, for up to `capacity` tokens.
final class Workspace: @unchecked Sendable {
  // Sendable: a workspace belongs to one pass at a time.
  let capacity: Int
  /// [capacity, hidden]: a block's input, then its output.
  let states: FloatBuffer
  /// [capacity, hidden]: a layer norm's result.
  let normal: FloatBuffer
  /// [capacity, hidden]: what lies between attention and the feed-forward network.
  let middle: FloatBuffer
  /// [capacity, heads, 3, head size].
  let queryKeyValue: FloatBuffer
  /// [capacity, hidden]: what the heads gathered.
  let context: FloatBuffer
  /// [capacity, 4 hidden].
  let inner: FloatBuffer
  private var scores = FloatBuffer(count: 0)

  init(_ configuration: BloomConfiguration, capacity: Int) {
    self.capacity = capacity
    let size = capacity * configuration.hiddenSize
    states = FloatBuffer(count: size)
    normal = FloatBuffer(count: size)
    middle = FloatBuffer(count: size)
    queryKeyValue = FloatBuffer(count: 3 * size)
    context = FloatBuffer(count: size)
    inner = FloatBuffer(count: 4 * size)
  }

  /// Scratch for at least `count` attention scores.
  func scores(_ count: Int) -> FloatBuffer {
    // Twice what is needed, since the next token needs a little more.
    if scores.count < count { scores = FloatBuffer(count: 2 * count) }
    return scores
  }
}

/// Workspaces at rest, of two sizes: for decoding and for prompts.
final class WorkspaceStore: Sendable {
  /// Tokens that go through the blocks together; a longer prompt is cut.
  static let chunk = 256
  private static let few = 8
  /// Kept for reuse of each size; more are freed after a rush.
  private static let kept = 4

  private let configuration: BloomConfiguration
  private let idle = Mutex<[Int: [Workspace]]>([:])

  init(_ configuration: BloomConfiguration) {
    self.configuration = configuration
  }

  /// Lends a workspace for `tokens` (at most ``chunk``).
  func take(_ tokens: Int) -> Workspace {
    precondition(tokens <= Self.chunk)
    let capacity = tokens <= Self.few ? Self.few : Self.chunk
    return idle.withLock { $0[capacity]?.popLast() }
      ?? Workspace(configuration, capacity: capacity)
  }

  func giveBack(_ workspace: Workspace) {
    idle.withLock { idle in
      if idle[workspace.capacity, default: []].count < Self.kept {
        idle[workspace.capacity, default: []].append(workspace)
      }
    }
  }
}
