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
        return .hash(try chain.submit(IncomingTransaction(raw: signed.raw), now: now))
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
        return (sent ?? chain.pool[hash]).map { .hex($0.signed.raw) } ?? .null
      }
    },
  ]
}

extension CallArguments {
  /// The transaction, signed with the key of one of the chain's own accounts.
  fileprivate func signed(on chain: Chain) throws -> SignedTransaction {
    let account = chain.configuration.accounts.first { $0.address == from }
    guard let from, let account else { throw RPCFailure.refused("unknown account") }
    if isAmbiguous {
      throw RPCFailure.refused(
        #"both "data" and "input" are set and not equal. "#
          + #"Please use "input" to pass transaction call data"#)
    }
    let ownID = chain.rules.chainID
    if let chainID, chainID != Word(ownID) {
      throw RPCFailure.refused("chainId does not match node's (have=\(chainID), want=\(ownID))")
    }
    let call = try call()
    let suggestedTip = chain.configuration.suggestedTip
    let fee: Transaction.Fee
    if let gasPrice {
      fee =
        accessList.map { .accessList(gasPrice: gasPrice, $0) } ?? .legacy(gasPrice: gasPrice)
    } else {
      let tip = maxPriorityFeePerGas ?? min(suggestedTip, maxFeePerGas ?? suggestedTip)
      let baseFee = max(chain.latest.header.baseFeePerGas, chain.nextBaseFee ?? .zero)
      let doubled = baseFee.adding(baseFee, upTo: .max)
      fee = .feeMarket(
        maxPriorityFeePerGas: tip,
        maxFeePerGas: maxFeePerGas ?? doubled.adding(tip, upTo: .max), accessList ?? [])
    }
    let transaction = Transaction(
      chainID: chain.rules.chainID,
      nonce: nonce ?? chain.pool.nextNonce(of: from, state: chain.state), fee: fee,
      gasLimit: gas ?? chain.gasNeeded(by: call), to: call.to, value: value, data: input)
    return transaction.signed(with: account.key)
  }
}
