import AsyncPrimitives
public import Bloom
import EthereumPrimitives
public import Logging
import MockWeb3
import PetalsNode

/// The network of a scenario, the faults that may meet it, and what it promises all the same.
public struct ScenarioPlan: Sendable {
  /// The blocks of each node: each block is served by one node at least.
  public var blocks: [BlockRange]
  /// The model that they serve.
  public var model: Checkpoint
  /// How many steps a schedule has.
  public var steps: Int
  /// What a schedule is made of; each kind is drawn as often as its weight says.
  public var operations: [any ScenarioOperation.Type]
  /// What must be so whatever happens.
  public var promises: [any ScenarioPromise]
  /// The latency of an undisturbed link, one way.
  public var latency: Duration
  /// The time between two blocks of the chain.
  public var blockTime: Duration
  /// How many blocks make an epoch of the reward pool.
  public var blocksPerEpoch: UInt64
  /// How many blocks an agent waits for behind its transaction's, which is also the depth of the deepest
  /// reorganisation.
  public var confirmations: UInt64
  /// How often an agent claims its rewards.
  public var claimInterval: Duration
  /// How long time passes in the end, when nothing is broken any more.
  public var settling: Duration
  /// The logger of all parts.
  public var logger: Logger

  /// A plan in which nodes share a model.
  ///
  /// Up to two nodes share the blocks; of more the last one serves all of them, so that a crash of
  /// another need not end a generation. Neighbours overlap by a block, as the ranges of a swarm do.
  /// - Parameters:
  ///   - nodes: 1 to the number of the model's blocks.
  ///   - steps: how many steps a schedule has.
  ///   - model: nil takes that of ``TinyModel``.
  /// - Throws: `BlockRangeError` when the model has fewer blocks than there are nodes.
  public init(nodes: Int = 3, steps: Int = 40, model: Checkpoint? = nil) throws {
    let model = try model ?? TinyModel.clientModel().checkpoint
    let count = model.configuration.blockCount
    let sharing = nodes > 2 ? nodes - 1 : nodes
    var blocks = try BlockRange.split(blockCount: count, into: sharing).map { range in
      try BlockRange(range.lowerBound..<min(range.upperBound + 1, count), of: count)
    }
    if nodes > 2 { blocks.append(BlockRange(all: count)) }
    self.blocks = blocks
    self.model = model
    self.steps = steps
    operations = ScenarioOperations.all
    promises = ScenarioPromises.all
    latency = .milliseconds(4)
    blockTime = .seconds(3)
    blocksPerEpoch = 40
    confirmations = 2
    claimInterval = .seconds(90)
    settling = .seconds(300)
    logger = Logger(label: "scenario") { _ in SwiftLogNoOpLogHandler() }
  }

  /// The latency of the way to a node: a spare one is farther away, so that it is used when it has to be.
  func latency(of node: Int) -> Duration {
    blocks.count > 2 && node == blocks.count - 1 ? latency * 8 : latency
  }

  /// The steps that a seed decides.
  public func schedule(seed: UInt64) -> [any ScenarioOperation] {
    var random = ScenarioRandom(seed: ScenarioSeed(seed).number("schedule"))
    let total = operations.reduce(0) { $0 + $1.weight }
    guard total > 0 else { return [] }
    return (0..<max(0, steps)).map { _ in
      var place = Int.random(in: 0..<total, using: &random)
      let kind = operations.first { kind in
        place -= kind.weight
        return place < 0
      }
      guard let kind else { preconditionFailure("the weights add up to their sum") }
      return kind.draw(for: self, using: &random)
    }
  }

  /// The configuration of the chain.
  func chain(_ seed: ScenarioSeed) -> ChainConfiguration {
    var configuration = ChainConfiguration()
    configuration.mining = .every(blockTime)
    configuration.rules.blocksPerEpoch = blocksPerEpoch
    for node in blocks.indices {
      configuration.balances[seed.key(node).address] = DevelopmentAccount.defaultBalance
    }
    return configuration
  }
}

/// The source of a scenario's choices: the same seed gives the same ones everywhere.
public struct ScenarioRandom: RandomNumberGenerator, Sendable {
  private var generator: SeededGenerator

  init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

  /// The next 64 random bits.
  public mutating func next() -> UInt64 { generator.next() }
}

/// A scenario's seed, and the numbers and keys that follow from it.
struct ScenarioSeed: Sendable {
  let seed: UInt64

  init(_ seed: UInt64) { self.seed = seed }

  /// A number of its own for each purpose.
  func number(_ purpose: String) -> UInt64 {
    Keccak256.hash("scenario \(seed): \(purpose)").word.low64
  }

  /// The key of a node.
  func key(_ node: Int) -> SecretKey {
    var attempt = 0
    while true {
      // One digest in 2¹²⁷ is no key.
      let hash = Keccak256.hash("scenario \(seed): key \(node), attempt \(attempt)")
      if let key = try? SecretKey(bytes: hash.bytes) { return key }
      attempt += 1
    }
  }
}

extension Word {
  fileprivate var low64: UInt64 { UInt64(truncatingIfNeeded: low) }
}
