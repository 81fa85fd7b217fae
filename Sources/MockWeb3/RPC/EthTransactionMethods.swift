import EthereumPrimitives
import PlumiseWire

/// `eth_`: sending transactions, and what became of them.
enum EthTransactionMethods {
  static let table: [String: RPCMethod] = [
    "eth_sendRawTransaction": RPCMethod(arguments: 1) { arguments in
      // Decoding and recovering the sender cost the most, and happen before the chain is asked.
      let incoming = try IncomingTransaction(raw: try arguments.required(0).bytes())
      return { chain, now in .hash(try chain.submit(incoming, now: now)) }
    },
    "eth_sendTransaction": RPCMethod(arguments: 1) { arguments in
      let call = try CallArguments(arguments.required(0))
      return { chain, now in
        let signed = try call.signed(on: chain)
        return .hash(try chain.submit(signed, now: now))
      }
    },
    "eth_fillTransaction": RPCMethod(arguments: 1) { arguments in
      let call = try CallArguments(arguments.required(0))
      return { chain, _ in
        let transaction = try call.filled(on: chain)
        return ["raw": .hex(transaction.unsignedBytes), "tx": transaction.json(nil)]
      }
    },
    "eth_resend": RPCMethod(arguments: 3) { arguments in
      let call = try CallArguments(arguments.required(0))
      let gasPrice = try arguments.optional(1)?.word()
      let gasLimit = try arguments.optional(2)?.uint64("*hexutil.Uint64")
      return { chain, now in
        .hash(try call.resend(gasPrice: gasPrice, gasLimit: gasLimit, to: &chain, now: now))
      }
    },
    "eth_getTransactionByHash": RPCMethod(arguments: 1) { arguments in
      let hash = try arguments.hash(0)
      return { chain, _ in
        if let (block, index) = chain.history.find(hash) { return block.transactionJSON(at: index) }
        return chain.pool[hash]?.json(place: nil) ?? .null
      }
    },
    "eth_getTransactionReceipt": RPCMethod(arguments: 1) { arguments in
      let hash = try arguments.hash(0)
      return { chain, _ in
        guard let (block, index) = chain.history.find(hash),
          !chain.faults.withholdsReceipt(of: hash, at: chain.latest.number)
        else { return nil }
        return block.receiptJSON(at: index)
      }
    },
    "eth_getRawTransactionByHash": RPCMethod(arguments: 1) { arguments in
      let hash = try arguments.hash(0)
      return { chain, _ in
        let sent = chain.history.find(hash).map { $0.block.transactions[$0.index] }
        return .hex((sent ?? chain.pool[hash])?.signed.raw ?? [])
      }
    },
  ]
}

extension CallArguments {
  /// Refuses fees that no transaction can have (geth's `setFeeDefaults`).
  private func checkFees() throws {
    if let gasPrice {
      guard !gasPrice.isZero else {
        throw RPCFailure.refused("gasPrice must be non-zero after london fork")
      }
    } else if let maxFeePerGas, let maxPriorityFeePerGas {
      guard !maxFeePerGas.isZero else {
        throw RPCFailure.refused("maxFeePerGas must be non-zero")
      }
      try Self.checkOrder(maxFeePerGas, maxPriorityFeePerGas)
    }
  }

  private static func checkOrder(_ maximum: Word, _ tip: Word) throws {
    guard maximum >= tip else {
      throw RPCFailure.refused(
        "maxFeePerGas (\(Quantity.encode(maximum))) < maxPriorityFeePerGas "
          + "(\(Quantity.encode(tip)))")
    }
  }

  /// The transaction, signed with the key of one of the chain's own accounts, or sent as an account
  /// that is impersonated.
  func signed(on chain: Chain) throws -> IncomingTransaction {
    guard let from else { throw RPCFailure.refused("unknown account") }
    let account = chain.configuration.accounts.first { $0.address == from }
    guard account != nil || chain.impersonation.contains(from) else {
      throw RPCFailure.refused("unknown account")
    }
    guard !hasBlobs else { throw RPCFailure.blobsNotSupported }
    let transaction = try filled(on: chain)
    let signed =
      account.map { transaction.signed(with: $0.key) }
      ?? SignedTransaction(transaction, signature: .impersonating(from))
    return IncomingTransaction(signed: signed, sender: from)
  }

  /// Replaces a transaction that waits, and is as these arguments say, by one with another price or
  /// limit (geth's `Resend`).
  fileprivate func resend(
    gasPrice: Word?, gasLimit: UInt64?, to chain: inout Chain, now: UInt64
  ) throws -> Hash32 {
    guard nonce != nil else {
      throw RPCFailure.refused("missing transaction nonce in transaction spec")
    }
    let wanted = try filled(on: chain)
    try chain.pool.rules.checkFee(
      price: gasPrice ?? wanted.fee.maxFeePerGas, gas: gasLimit ?? wanted.gasLimit)
    let isWaiting = chain.pool.transactions.contains {
      $0.sender == from && $0.transaction == wanted
    }
    guard isWaiting else {
      throw RPCFailure.refused("transaction \(Keccak256.hash(wanted.unsignedBytes).hex) not found")
    }
    var changed = self
    if let gasPrice, !gasPrice.isZero, maxFeePerGas == nil { changed.gasPrice = gasPrice }
    if let gasLimit, gasLimit > 0 { changed.gas = gasLimit }
    return try chain.submit(changed.signed(on: chain), now: now)
  }

  /// The transaction with everything that the arguments leave out (geth's `setDefaults`).
  /// - Parameter isEstimated: whether gas that is not given is estimated, rather than the most that a call
  ///   may use.
  func filled(on chain: Chain, isEstimated: Bool = true) throws -> Transaction {
    try checkFees()
    let fee = try fee(on: chain)
    if isAmbiguous {
      throw RPCFailure.refused(
        #"both "data" and "input" are set and not equal. "#
          + #"Please use "input" to pass transaction call data"#)
    }
    if to == nil, input.isEmpty {
      throw RPCFailure.refused("contract creation without any data provided")
    }
    var call = call()
    (call.feeCap, call.tip) = (fee.maxFeePerGas, fee.maxPriorityFeePerGas)
    let limit =
      try gas
      ?? (isEstimated
        ? chain.estimateGas(of: call, on: Chain.View(state: chain.state, block: chain.latest))
        : EthCallMethods.callGasCap)
    let ownID = chain.rules.chainID
    if let chainID, chainID != Word(ownID) {
      throw RPCFailure.refused("chainId does not match node's (have=\(chainID), want=\(ownID))")
    }
    return Transaction(
      chainID: chain.rules.chainID,
      nonce: nonce ?? chain.pool.nextNonce(of: from ?? .zero, state: chain.state), fee: fee,
      gasLimit: limit, to: call.to, value: value, data: input)
  }

  /// The fees, and those that the arguments leave out (geth's `setFeeDefaults`).
  private func fee(on chain: Chain) throws -> Transaction.Fee {
    if let gasPrice {
      return accessList.map { .accessList(gasPrice: gasPrice, $0) } ?? .legacy(gasPrice: gasPrice)
    }
    let tip = maxPriorityFeePerGas ?? chain.configuration.suggestedTip
    let baseFee = max(chain.latest.header.baseFeePerGas, chain.nextBaseFee ?? .zero)
    let doubled = baseFee.adding(baseFee, upTo: .max)
    let maximum = maxFeePerGas ?? doubled.adding(tip, upTo: .max)
    try Self.checkOrder(maximum, tip)
    return .feeMarket(maxPriorityFeePerGas: tip, maxFeePerGas: maximum, accessList ?? [])
  }
}

extension Transaction {
  /// The transaction as go-ethereum's `Transaction.MarshalJSON` shows it.
  /// - Parameter signed: the same with its signature; nil for one that nobody signed, whose signature
  ///   is all zeros.
  func json(_ signed: SignedTransaction?) -> JSON {
    let type = fee.transactionType
    var members: [(String, JSON)] = [("type", .quantity(UInt64(type)))]
    if type > 0, let chainID { members.append(("chainId", .quantity(chainID))) }
    members += [
      ("nonce", .quantity(nonce)), ("to", to.map { .address($0) } ?? .null),
      ("gas", .quantity(gasLimit)),
    ]
    switch fee {
    case .legacy(let price), .accessList(let price, _):
      members += [
        ("gasPrice", .quantity(price)), ("maxPriorityFeePerGas", .null), ("maxFeePerGas", .null),
      ]
    case .feeMarket(let tip, let maximum, _):
      members += [
        ("gasPrice", .null), ("maxPriorityFeePerGas", .quantity(tip)),
        ("maxFeePerGas", .quantity(maximum)),
      ]
    }
    members += [("value", .quantity(value)), ("input", .hex(data))]
    if type > 0 { members.append(("accessList", fee.accessListJSON)) }
    members += [
      ("v", .quantity(signed?.v ?? .zero)), ("r", .quantity(signed?.signature.r ?? .zero)),
      ("s", .quantity(signed?.signature.s ?? .zero)),
    ]
    if type > 0 { members.append(("yParity", .quantity(UInt64(signed?.signature.yParity ?? 0)))) }
    members.append(("hash", .hash(signed?.hash ?? Keccak256.hash(unsignedBytes))))
    return .object(JSONObject(uniqueMembers: members))
  }
}

extension Transaction.Fee {
  fileprivate var accessListJSON: JSON {
    .array(
      accessList.map { entry in
        [
          "address": .address(entry.address),
          "storageKeys": .array(entry.storageKeys.map { .hash($0) }),
        ]
      })
  }
}

/// `txpool_`: what waits.
enum TxPoolMethods {
  static let table: [String: RPCMethod] = [
    "txpool_status": .plain { chain, _ in
      func count(_ part: [Address: [TransactionPool.Entry]]) -> JSON {
        .quantity(UInt64(part.values.reduce(0) { $0 + $1.count }))
      }
      return [
        "pending": count(chain.pool.pending(state: chain.state)),
        "queued": count(chain.pool.queued(state: chain.state)),
      ]
    },
    "txpool_content": .plain { chain, _ in
      content(chain) { $0.json(place: nil) }
    },
    "txpool_contentFrom": RPCMethod(arguments: 1) { arguments in
      let sender = try arguments.address(0)
      return { chain, _ in
        func part(_ entries: [Address: [TransactionPool.Entry]]) -> JSON {
          let own = (entries[sender] ?? []).map {
            ("\($0.sent.transaction.nonce)", $0.sent.json(place: nil))
          }
          return .object(JSONObject(uniqueMembers: own))
        }
        return [
          "pending": part(chain.pool.pending(state: chain.state)),
          "queued": part(chain.pool.queued(state: chain.state)),
        ]
      }
    },
    "txpool_inspect": .plain { chain, _ in
      content(chain) { sent in
        let transaction = sent.transaction
        let to = transaction.to?.checksummed ?? "contract creation"
        return .string(
          "\(to): \(transaction.value) wei + \(transaction.gasLimit) gas × "
            + "\(transaction.fee.maxFeePerGas) wei")
      }
    },
  ]

  /// Both parts, by sender (checksummed, as in geth) and nonce (decimal).
  private static func content(
    _ chain: Chain, _ render: (RecoveredTransaction) -> JSON
  ) -> JSON {
    func part(_ entries: [Address: [TransactionPool.Entry]]) -> JSON {
      .object(
        JSONObject(
          uniqueMembers: entries.sorted { $0.key < $1.key }.map { sender, run in
            let byNonce = run.map { entry in
              ("\(entry.sent.transaction.nonce)", render(entry.sent))
            }
            return (sender.checksummed, JSON.object(JSONObject(uniqueMembers: byNonce)))
          }))
    }
    return [
      "pending": part(chain.pool.pending(state: chain.state)),
      "queued": part(chain.pool.queued(state: chain.state)),
    ]
  }
}

extension RecoveredTransaction {
  /// Where a transaction was mined.
  struct Place {
    let block: Block
    let index: Int
  }

  /// The transaction as JSON-RPC shows it.
  /// - Parameter place: nil while it waits.
  func json(place: Place?) -> JSON {
    var members: [(String, JSON)] = [
      ("blockHash", place.map { .hash($0.block.hash) } ?? .null),
      ("blockNumber", place.map { .quantity($0.block.number) } ?? .null),
      ("from", .address(sender)),
      ("gas", .quantity(transaction.gasLimit)),
      ("gasPrice", .quantity(gasPrice(place))),
    ]
    if case .feeMarket(let tip, let maximum, _) = transaction.fee {
      members.append(("maxFeePerGas", .quantity(maximum)))
      members.append(("maxPriorityFeePerGas", .quantity(tip)))
    }
    members += [
      ("hash", .hash(hash)),
      ("input", .hex(transaction.data)),
      ("nonce", .quantity(transaction.nonce)),
      ("to", transaction.to.map { .address($0) } ?? .null),
      ("transactionIndex", place.map { .quantity(UInt64($0.index)) } ?? .null),
      ("value", .quantity(transaction.value)),
      ("type", .quantity(UInt64(transaction.fee.transactionType))),
    ]
    if transaction.fee.transactionType > 0 {
      members.append(("accessList", transaction.fee.accessListJSON))
    }
    if let chainID = transaction.chainID { members.append(("chainId", .quantity(chainID))) }
    members += [
      ("v", .quantity(signed.v)),
      ("r", .quantity(signed.signature.r)),
      ("s", .quantity(signed.signature.s)),
    ]
    if transaction.fee.transactionType > 0 {
      members.append(("yParity", .quantity(UInt64(signed.signature.yParity))))
    }
    return .object(JSONObject(uniqueMembers: members))
  }

  /// What was paid for a unit of gas, or while the transaction waits the most that may be.
  private func gasPrice(_ place: Place?) -> Word {
    place.map { $0.block.receipts[$0.index].effectiveGasPrice } ?? transaction.fee.maxFeePerGas
  }
}
