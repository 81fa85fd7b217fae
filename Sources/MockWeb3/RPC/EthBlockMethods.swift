import EthereumPrimitives
import PlumiseWire

/// `eth_`: blocks, and what is in them.
enum EthBlockMethods {
  static let table: [String: RPCMethod] = [
    "eth_getBlockByNumber": RPCMethod(arguments: 2) { arguments in
      let tag = try arguments.required(0).blockTag()
      return whole(.tag(tag), withTransactions: try arguments.required(1).bool())
    },
    "eth_getBlockByHash": RPCMethod(arguments: 2) { arguments in
      let hash = try arguments.hash(0)
      return whole(.hash(hash), withTransactions: try arguments.required(1).bool())
    },
    "eth_getBlockReceipts": RPCMethod(arguments: 1) { arguments in
      let reference = try arguments.block(0)
      return { chain, now in
        guard let block = chain.block(reference, now: now) else { return nil }
        // A receipt that a fault holds back is missing here as well.
        let shown = block.receipts.indices.filter {
          !chain.faults.withholdsReceipt(
            of: block.receipts[$0].transactionHash, at: chain.latest.number)
        }
        return .array(shown.map { block.receiptJSON(at: $0) })
      }
    },
    "eth_getBlockTransactionCountByNumber": RPCMethod(arguments: 1) { arguments in
      transactionCount(.tag(try arguments.required(0).blockTag()))
    },
    "eth_getBlockTransactionCountByHash": RPCMethod(arguments: 1) { arguments in
      transactionCount(.hash(try arguments.hash(0)))
    },
    "eth_getTransactionByBlockNumberAndIndex": RPCMethod(arguments: 2) { arguments in
      let tag = try arguments.required(0).blockTag()
      return transaction(in: .tag(tag), at: try arguments.required(1).uint64("hexutil.Uint"))
    },
    "eth_getTransactionByBlockHashAndIndex": RPCMethod(arguments: 2) { arguments in
      let hash = try arguments.hash(0)
      return transaction(in: .hash(hash), at: try arguments.required(1).uint64("hexutil.Uint"))
    },
    "eth_getUncleCountByBlockNumber": RPCMethod(arguments: 1) { arguments in
      uncleCount(.tag(try arguments.required(0).blockTag()))
    },
    "eth_getUncleCountByBlockHash": RPCMethod(arguments: 1) { arguments in
      uncleCount(.hash(try arguments.hash(0)))
    },
  ]

  private static func whole(
    _ reference: BlockReference, withTransactions: Bool
  ) -> ChainOperation {
    { chain, now in
      let isPending = reference == .tag(.pending)
      return chain.block(reference, now: now)?
        .json(withTransactions: withTransactions, isPending: isPending) ?? .null
    }
  }

  private static func transactionCount(_ reference: BlockReference) -> ChainOperation {
    { chain, now in
      chain.block(reference, now: now).map { .quantity(UInt64($0.transactions.count)) } ?? .null
    }
  }

  private static func uncleCount(_ reference: BlockReference) -> ChainOperation {
    { chain, now in chain.block(reference, now: now) == nil ? nil : "0x0" }
  }

  private static func transaction(
    in reference: BlockReference, at index: UInt64
  ) -> ChainOperation {
    { chain, now in
      guard let block = chain.block(reference, now: now), index < UInt64(block.transactions.count)
      else { return nil }
      return block.transactionJSON(at: Int(index), isPending: reference == .tag(.pending))
    }
  }
}
