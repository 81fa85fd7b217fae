import EthereumPrimitives
import PlumiseWire

/// `clique_`: who seals, on a chain in proof-of-authority mode (go-ethereum's `consensus/clique`).
///
/// One account seals all blocks, and there are no votes.
enum CliqueMethods {
  static let table: [String: RPCMethod] = [
    "clique_getSigners": RPCMethod(arguments: 1) { arguments in
      try atNumber(arguments) { sealer, _, _ in [.address(sealer)] }
    },
    "clique_getSignersAtHash": RPCMethod(arguments: 1) { arguments in
      at(.hash(try arguments.hash(0))) { sealer, _, _ in [.address(sealer)] }
    },
    "clique_getSnapshot": RPCMethod(arguments: 1) { arguments in
      try atNumber(arguments, snapshot)
    },
    "clique_getSnapshotAtHash": RPCMethod(arguments: 1) { arguments in
      at(.hash(try arguments.hash(0)), snapshot)
    },
    "clique_getSigner": RPCMethod(arguments: 1) { arguments in
      let reference = try arguments.block(0)
      return at(
        reference,
        missing: {
          switch reference {
          case .hash(let hash): "missing block \(hash.hex)"
          case .tag(.number(let number)): "missing block \(Quantity.encode(number))"
          case .tag: "unknown block"
          }
        }
      ) { sealer, block, _ in
        // The genesis has zeros in the place of a seal.
        guard block.number > 0 else { throw RPCFailure.refused("recovery failed") }
        return .address(sealer)
      }
    },
    "clique_status": .plain { chain, _ in
      let sealer = try sealer(of: chain)
      // go-ethereum looks at the blocks before the latest one: 64 of them, or from the first on.
      let count = min(chain.latest.number.subtractingSaturating(1), 64)
      return [
        "inturnPercent": .integer(count == 0 ? 0 : 100), "numBlocks": .integer(count),
        "sealerActivity": .object([sealer.lowercaseHex: .integer(count)]),
      ]
    },
    "clique_proposals": .plain { chain, _ in
      _ = try sealer(of: chain)
      return [:]
    },
    "clique_propose": RPCMethod(arguments: 2) { arguments in
      (_, _) = (try arguments.address(0), try arguments.required(1).bool())
      return withoutVotes
    },
    "clique_discard": RPCMethod(arguments: 1) { arguments in
      _ = try arguments.address(0)
      return withoutVotes
    },
  ]

  /// A question about the sealer at a block.
  private typealias Question = @Sendable (Address, Block, Chain) throws -> JSON

  private static func sealer(of chain: Chain) throws -> Address {
    guard let sealer = chain.configuration.sealer else {
      throw RPCFailure.refused("the chain is not in proof-of-authority mode")
    }
    return sealer.address
  }

  private static let withoutVotes: ChainOperation = { chain, _ in
    _ = try sealer(of: chain)
    throw RPCFailure.refused("the one sealer of this chain cannot be voted in or out")
  }

  private static func atNumber(
    _ arguments: GethArguments, _ answer: @escaping Question
  ) throws -> ChainOperation {
    at(.tag(try arguments.optional(0)?.blockTag() ?? .latest), answer)
  }

  private static func at(
    _ reference: BlockReference, missing: @escaping @Sendable () -> String = { "unknown block" },
    _ answer: @escaping Question
  ) -> ChainOperation {
    { chain, now in
      let sealer = try sealer(of: chain)
      guard let block = chain.block(reference, now: now) else {
        throw RPCFailure.refused(missing())
      }
      return try answer(sealer, block, chain)
    }
  }

  private static let snapshot: Question = { sealer, block, _ in
    let address = sealer.lowercaseHex
    let recents: JSONObject = block.number == 0 ? [:] : ["\(block.number)": .string(address)]
    return [
      "number": .integer(block.number), "hash": .hash(block.hash), "signers": [address: [:]],
      "recents": .object(recents), "votes": nil, "tally": [:],
    ]
  }
}
