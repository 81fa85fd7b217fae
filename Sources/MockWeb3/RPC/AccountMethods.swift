import EthereumPrimitives
import PlumiseWire

/// `eth_` and `personal_`: signing with the keys of the chain's own accounts.
enum AccountMethods {
  static let table: [String: RPCMethod] = [
    "eth_sign": RPCMethod(arguments: 2) { arguments in
      let address = try arguments.address(0)
      return sign(try arguments.required(1).bytes(), as: address)
    },
    "personal_sign": RPCMethod(arguments: 3) { arguments in
      let data = try arguments.required(0).bytes()
      // Accounts are never locked: the password is not looked at.
      return sign(data, as: try arguments.address(1))
    },
    "personal_ecRecover": RPCMethod(arguments: 2) { arguments in
      let data = try arguments.required(0).bytes()
      let signature = try arguments.required(1).bytes()
      return { _, _ in .address(try signer(of: data, signature)) }
    },
    "eth_signTransaction": RPCMethod(arguments: 1) { arguments in
      let call = try CallArguments(arguments.required(0))
      return { chain, _ in
        guard call.gas != nil else { throw RPCFailure.refused("gas not specified") }
        guard
          call.gasPrice != nil || (call.maxPriorityFeePerGas != nil && call.maxFeePerGas != nil)
        else {
          throw RPCFailure.refused("missing gasPrice or maxFeePerGas/maxPriorityFeePerGas")
        }
        guard !call.hasBlobs else { throw RPCFailure.blobsNotSupported }
        guard call.nonce != nil else { throw RPCFailure.refused("nonce not specified") }
        let transaction = try call.filled(on: chain)
        try chain.pool.rules.checkFee(of: transaction)
        let account = chain.configuration.accounts.first { $0.address == call.from }
        guard let account else { throw RPCFailure.refused("unknown account") }
        let signed = transaction.signed(with: account.key)
        return ["raw": .hex(signed.raw), "tx": transaction.json(signed)]
      }
    },
    "eth_pendingTransactions": .plain { chain, _ in
      let own = Set(chain.configuration.accounts.map(\.address))
      return .array(
        chain.pool.transactions.filter { own.contains($0.sender) }.map { $0.json(place: nil) })
    },
  ]

  /// Signs a personal message (EIP-191) with the key of one of the chain's accounts.
  private static func sign(_ data: [UInt8], as address: Address) -> ChainOperation {
    { chain, _ in
      let account = chain.configuration.accounts.first { $0.address == address }
      guard let account else { throw RPCFailure.refused("unknown account") }
      return .hex(account.key.sign(PersonalMessage.hash(data)).bytes)
    }
  }

  /// The signer of a personal message (geth's `EcRecover`).
  private static func signer(of data: [UInt8], _ signature: [UInt8]) throws -> Address {
    guard signature.count == 65 else {
      throw RPCFailure.refused("signature must be 65 bytes long")
    }
    guard signature[64] == 27 || signature[64] == 28 else {
      throw RPCFailure.refused("invalid Ethereum signature (V is not 27 or 28)")
    }
    do {
      return try Signature(bytes: signature).recoverAddress(PersonalMessage.hash(data))
    } catch {
      throw RPCFailure.refused("recovery failed")
    }
  }
}

/// `eth_` and `debug_`: headers, and encoded transactions and headers.
enum RawBlockMethods {
  static let table: [String: RPCMethod] = [
    "eth_getHeaderByNumber": RPCMethod(arguments: 1) { arguments in
      header(.tag(try arguments.required(0).blockTag()))
    },
    "eth_getHeaderByHash": RPCMethod(arguments: 1) { arguments in
      header(.hash(try arguments.hash(0)))
    },
    "eth_getRawTransactionByBlockNumberAndIndex": RPCMethod(arguments: 2) { arguments in
      let tag = try arguments.required(0).blockTag()
      return raw(in: .tag(tag), at: try arguments.required(1).uint64("hexutil.Uint"))
    },
    "eth_getRawTransactionByBlockHashAndIndex": RPCMethod(arguments: 2) { arguments in
      let hash = try arguments.hash(0)
      return raw(in: .hash(hash), at: try arguments.required(1).uint64("hexutil.Uint"))
    },
    "eth_getUncleByBlockNumberAndIndex": RPCMethod(arguments: 2) { arguments in
      _ = try arguments.required(0).blockTag()
      return noUncle(try arguments.required(1).uint64("hexutil.Uint"))
    },
    "eth_getUncleByBlockHashAndIndex": RPCMethod(arguments: 2) { arguments in
      _ = try arguments.hash(0)
      return noUncle(try arguments.required(1).uint64("hexutil.Uint"))
    },
    // No proof of work is made.
    "eth_hashrate": .plain { _, _ in "0x0" },
    "debug_getRawHeader": RPCMethod(arguments: 1) { arguments in
      block(try arguments.block(0), "header") { .hex($0.header.encoded) }
    },
    "debug_getRawBlock": RPCMethod(arguments: 1) { arguments in
      block(try arguments.block(0), "block") { .hex($0.encoded) }
    },
    "debug_getRawReceipts": RPCMethod(arguments: 1) { arguments in
      let reference = try arguments.block(0)
      return { chain, now in
        if case .hash(let hash) = reference, chain.history[hash] == nil { return [] }
        return try block(reference, "block") {
          .array($0.receipts.map { .hex($0.consensusBytes) })
        }(&chain, now)
      }
    },
    "debug_getRawTransaction": RPCMethod(arguments: 1) { arguments in
      let hash = try arguments.hash(0)
      return { chain, _ in
        let mined = chain.history.find(hash).map { $0.block.transactions[$0.index] }
        return .hex((mined ?? chain.pool[hash])?.signed.raw ?? [])
      }
    },
  ]

  private static func block(
    _ reference: BlockReference, _ what: String, _ answer: @escaping @Sendable (Block) -> JSON
  ) -> ChainOperation {
    { chain, now in
      if let block = chain.block(reference, now: now) { return answer(block) }
      // Go prints a hash that is formatted as a number as its bytes.
      guard case .hash(let hash) = reference else {
        throw RPCFailure.refused("\(what) not found")
      }
      let bytes = hash.bytes.map { "\($0)" }.joined(separator: " ")
      throw RPCFailure.refused("\(what) #[\(bytes)] not found")
    }
  }

  private static func header(_ reference: BlockReference) -> ChainOperation {
    { chain, now in
      let isPending = reference == .tag(.pending)
      let block = chain.block(reference, now: now)?
        .json(withTransactions: false, isPending: isPending)
      guard case .object(let object)? = block else { return nil }
      // The fields of the block's body are no part of its header.
      let body: Set = ["size", "transactions", "uncles", "withdrawals"]
      return .object(
        JSONObject(
          uniqueMembers: object.members.filter { !body.contains($0.key) }
            .map { ($0.key, $0.value) }))
    }
  }

  private static func raw(in reference: BlockReference, at index: UInt64) -> ChainOperation {
    { chain, now in
      guard let block = chain.block(reference, now: now), index < UInt64(block.transactions.count)
      else { return .hex([]) }
      return .hex(block.transactions[Int(index)].signed.raw)
    }
  }

  /// A chain with one sealer has no uncles.
  private static func noUncle(_ index: UInt64) -> ChainOperation {
    { _, _ in nil }
  }
}
