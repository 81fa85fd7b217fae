import EVM
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
      let reference = try arguments.required(0).optionalBlockReference()
      return { chain, now in
        guard let reference, let block = chain.block(reference, now: now) else { return nil }
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
      return block.transactionJSON(at: Int(index))
    }
  }
}

extension BlockHeader {
  /// The fields that forks after London added, as JSON-RPC shows them.
  fileprivate var laterFields: [(String, JSON)] {
    var fields: [(String, JSON)] = []
    if fork >= .shanghai { fields.append(("withdrawalsRoot", .hash(Self.noWithdrawals))) }
    if fork >= .cancun {
      fields.append(("blobGasUsed", "0x0"))
      fields.append(("excessBlobGas", "0x0"))
      fields.append(("parentBeaconBlockRoot", .hash(.zero)))
    }
    return fields
  }
}

extension Block {
  /// The block as JSON-RPC shows it.
  /// - Parameters:
  ///   - withTransactions: whole transactions rather than their hashes.
  ///   - isPending: a block that is not made yet has neither hash nor nonce nor total difficulty; its
  ///     transactions have their places in it (go-ethereum's `newRPCTransactionFromBlockIndex`).
  func json(withTransactions: Bool, isPending: Bool = false) -> JSON {
    let transactions: [JSON] = self.transactions.indices.map { index in
      withTransactions ? transactionJSON(at: index) : .hash(self.transactions[index].hash)
    }
    var fields: [(String, JSON)] = [
      ("baseFeePerGas", .quantity(header.baseFeePerGas)),
      ("difficulty", .quantity(header.difficulty)),
      ("extraData", .hex(header.extraData)),
      ("gasLimit", .quantity(header.gasLimit)),
      ("gasUsed", .quantity(header.gasUsed)),
      ("hash", isPending ? nil : .hash(hash)),
      ("logsBloom", .hex(header.logsBloom)),
      ("miner", isPending ? nil : .address(header.coinbase)),
      ("mixHash", .hash(.zero)),
      ("nonce", isPending ? nil : "0x0000000000000000"),
      ("number", .quantity(number)),
      ("parentHash", .hash(header.parentHash)),
      ("receiptsRoot", .hash(header.receiptsRoot)),
      ("sha3Uncles", .hash(BlockHeader.noUncles)),
      ("size", .quantity(UInt64(size))),
      ("stateRoot", .hash(header.stateRoot)),
      ("timestamp", .quantity(header.timestamp)),
      ("totalDifficulty", isPending ? nil : .quantity(totalDifficulty)),
      ("transactions", .array(transactions)),
      ("transactionsRoot", .hash(header.transactionsRoot)),
      ("uncles", .array([])),
    ]
    if header.fork >= .shanghai { fields.append(("withdrawals", .array([]))) }
    fields += header.laterFields
    return .object(JSONObject(uniqueMembers: fields))
  }

  /// A transaction of the block as JSON-RPC shows it.
  func transactionJSON(at index: Int) -> JSON {
    transactions[index].json(place: .init(block: self, index: index))
  }

  /// A receipt of the block as JSON-RPC shows it.
  func receiptJSON(at index: Int) -> JSON {
    let receipt = receipts[index]
    let logs = receipt.logs.enumerated().map { offset, log in
      MinedLog(log: log, block: self, receipt: receipt, index: receipt.firstLogIndex + offset).json
    }
    return [
      "blockHash": .hash(hash),
      "blockNumber": .quantity(number),
      "contractAddress": receipt.contractAddress.map { .address($0) } ?? .null,
      "cumulativeGasUsed": .quantity(receipt.cumulativeGasUsed),
      "effectiveGasPrice": .quantity(receipt.effectiveGasPrice),
      "from": .address(receipt.sender),
      "gasUsed": .quantity(receipt.gasUsed),
      "logs": .array(logs),
      "logsBloom": .hex(receipt.bloom.bytes),
      "status": receipt.succeeded ? "0x1" : "0x0",
      "to": receipt.recipient.map { .address($0) } ?? .null,
      "transactionHash": .hash(receipt.transactionHash),
      "transactionIndex": .quantity(UInt64(index)),
      "type": .quantity(UInt64(receipt.type)),
    ]
  }
}

extension MinedLog {
  /// The log as JSON-RPC shows it.
  var json: JSON {
    [
      "address": .address(log.address),
      "topics": .array(log.topics.map { .hash($0) }),
      "data": .hex(log.data),
      "blockNumber": .quantity(block.number),
      "transactionHash": .hash(receipt.transactionHash),
      "transactionIndex": .quantity(UInt64(receipt.transactionIndex)),
      "blockHash": .hash(block.hash),
      "logIndex": .quantity(UInt64(index)),
      "removed": .bool(isRemoved),
    ]
  }
}
