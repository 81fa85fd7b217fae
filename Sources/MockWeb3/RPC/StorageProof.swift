import EthereumPrimitives
import PlumiseWire

/// A slot of a contract's storage as JSON-RPC names it: up to 64 digits, with `0x` or without.
struct StorageKey {
  let word: Word
  /// How many bytes the text had.
  let byteCount: Int

  /// - Throws: ``RPCFailure`` in go-ethereum's words.
  init(_ text: String) throws {
    let hasPrefix = text.hasPrefix("0x") || text.hasPrefix("0X")
    let digits = String(decoding: text.utf8.dropFirst(hasPrefix ? 2 : 0), as: UTF8.self)
    guard digits.utf8.allSatisfy({ Character(UnicodeScalar($0)).isHexDigit }) else {
      throw RPCFailure.refused("hex string invalid")
    }
    guard digits.utf8.count <= 64 else {
      throw RPCFailure.refused("hex string too long, want at most 32 bytes")
    }
    byteCount = (digits.utf8.count + 1) / 2
    let padded = String(repeating: "0", count: 64 - digits.utf8.count) + digits
    word = try Hash32("0x" + padded).word
  }

  /// As eth_getProof repeats it: whole if it came whole, else as a number.
  var json: JSON { byteCount == 32 ? .hash(Hash32(word: word)) : .quantity(word) }
}

/// An account with the nodes that prove it and its storage (EIP-1186).
enum StorageProof {
  @Sendable static func answer(_ arguments: GethArguments) throws -> ChainOperation {
    let address = try arguments.address(0)
    let keys = try arguments.required(1).array().map { try $0.string() }
    let block = try arguments.block(2)
    let slots = try keys.map { try StorageKey($0) }
    return { chain, now in
      var state = try chain.view(block, now: now).state
      // The proof brings the tries up to date, and with them the account's storage root.
      let proof = state.accountProof(of: address)
      let account = state[address]
      // Of an account that does not exist go-ethereum's hashes are zeros.
      let isThere = !account.isEmpty
      return [
        "address": .address(address), "accountProof": .array(proof.map { .hex($0) }),
        "balance": .quantity(account.balance),
        "codeHash": .hash(isThere ? account.codeHash : .zero),
        "nonce": .quantity(account.nonce),
        "storageHash": .hash(isThere ? account.storageRoot : .zero),
        "storageProof": .array(
          slots.map { slot in
            [
              "key": slot.json,
              "value": .quantity(state.storage(at: address, slot: slot.word)),
              "proof": .array(
                state.storageProof(of: address, slot: slot.word).map { .hex($0) }),
            ]
          }),
      ]
    }
  }
}
