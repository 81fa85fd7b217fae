import EVM
import EthereumPrimitives
import PlumiseWire

/// A state that remembers what was read of it, for the answers of go-ethereum's `prestateTracer`.
final class RecordingReader: StateReader {
  private let state: WorldStateReader
  private var accounts: [Address: AccountState?] = [:]
  private var slots: [Address: [Word: Word]] = [:]

  init(_ state: WorldStateReader) { self.state = state }

  func account(at address: Address) -> AccountState? {
    let account = state.account(at: address)
    accounts[address] = account
    return account
  }

  func code(at address: Address, hash: Hash32) -> [UInt8] { state.code(at: address, hash: hash) }

  func storage(at address: Address, slot: Word) -> Word {
    let value = state.storage(at: address, slot: slot)
    slots[address, default: [:]][slot] = value
    return value
  }

  func hasStorage(at address: Address) -> Bool { state.hasStorage(at: address) }

  func blockHash(of number: UInt64) -> Hash32 { state.blockHash(of: number) }

  /// The accounts that the transaction named and those that it changed, as they were.
  ///
  /// The latter are more where native contracts pay: they need no instruction for it. Contracts that
  /// instructions created are listed as well, empty; the transaction's own only if its constructor
  /// accessed slots (go-ethereum's `CaptureEnd`).
  func prestate(_ named: PrestateTracer, _ effects: StateEffects) -> JSON {
    var members: [(Address, JSON)] = []
    for address in named.accounts.union(effects.accounts.keys) {
      let account = account(at: address) ?? AccountState()
      var values: [Word: Word] = [:]
      for slot in named.slots[address] ?? [] {
        values[slot] = storage(at: address, slot: slot)
      }
      if address == named.created, account.isEmpty, values.isEmpty { continue }
      members.append((address, json(of: account, at: address, values)))
    }
    return Self.object(members)
  }

  /// The accounts that changed: as they were, and what is different afterwards.
  func difference(_ effects: StateEffects) -> JSON {
    var before: [(Address, JSON)] = []
    var after: [(Address, JSON)] = []
    for (address, change) in effects.accounts {
      let original = accounts[address] ?? nil
      var written: AccountWrite?
      if case .written(let write) = change { written = write }
      if let original {
        let keys = written?.storage.keys.map { $0 } ?? []
        let changed = (slots[address] ?? [:]).filter {
          (written == nil || keys.contains($0.key)) && !$0.value.isZero
        }
        before.append((address, json(of: original, at: address, changed)))
      }
      guard let written else { continue }
      let old = original ?? AccountState()
      var object: JSONObject = [:]
      if written.account.balance != old.balance {
        object["balance"] = .quantity(written.account.balance)
      }
      if written.account.nonce != old.nonce { object["nonce"] = .integer(written.account.nonce) }
      if let code = written.code { object["code"] = .hex(code.bytes) }
      let storage = written.storage.filter { !$0.value.isZero }
      if !storage.isEmpty { object["storage"] = Self.json(of: storage) }
      after.append((address, .object(object)))
    }
    return ["post": Self.object(after), "pre": Self.object(before)]
  }

  private func json(of account: AccountState, at address: Address, _ slots: [Word: Word]) -> JSON {
    var object: JSONObject = ["balance": .quantity(account.balance)]
    if account.codeHash != AccountState.emptyCodeHash {
      object["code"] = .hex(state.code(at: address, hash: account.codeHash))
    }
    // A number, unlike everywhere else in JSON-RPC.
    if account.nonce != 0 { object["nonce"] = .integer(account.nonce) }
    if !slots.isEmpty { object["storage"] = Self.json(of: slots) }
    return .object(object)
  }

  private static func json(of slots: [Word: Word]) -> JSON {
    .object(
      JSONObject(
        uniqueMembers: slots.sorted { $0.key < $1.key }.map {
          (Hash32(word: $0.key).hex, JSON.hash(Hash32(word: $0.value)))
        }))
  }

  private static func object(_ members: [(Address, JSON)]) -> JSON {
    .object(
      JSONObject(
        uniqueMembers: members.sorted { $0.0.word < $1.0.word }.map { ($0.0.lowercaseHex, $0.1) }))
  }
}
