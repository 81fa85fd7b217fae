import EthereumPrimitives
import PlumiseWire
import Synchronization

/// What a forked chain reads of the remote one where it wrote nothing itself.
///
/// A read of what was not fetched yet is noted and answered as empty. What ran then is thrown away, the
/// noted items are fetched without the chain's lock, and it runs again: see `MockWeb3.perform`.
final class ForkedState: Sendable {
  let remote: RemoteChain
  private let misses = Mutex<[RemoteChain.Item]>([])

  /// The most items that are noted in one run: those after a wrong first answer may be wrong as well.
  private static let limit = 100

  init(_ remote: RemoteChain) { self.remote = remote }

  /// The height of the block that the chain was forked at.
  var number: UInt64 { remote.number }

  func account(_ address: Address) -> Account {
    remote.account(address) ?? missing(.account(address), Account())
  }

  func storage(at address: Address, slot: Word) -> Word {
    remote.slot(slot, of: address) ?? missing(.slot(address, slot), .zero)
  }

  /// The remote chain's answer to a question about what was before the fork.
  func answer(_ method: String, _ parameters: [JSON]) -> JSON {
    let item = RemoteChain.Item.answer(method: method, parameters: parameters)
    return remote.answer(item) ?? missing(item, .null)
  }

  /// The hash of a block at or before the fork; nil when there is none.
  func blockHash(of number: UInt64) -> Hash32? {
    guard number <= self.number else { return nil }
    let block = answer("eth_getBlockByNumber", [.quantity(number), false])
    // A block that the remote lacks has no hash, which BLOCKHASH gives as zero; a malformed one was
    // refused when it was fetched.
    return block["hash"].flatMap { try? GethValue(json: $0, position: 0).hash() }
  }

  private func missing<T>(_ item: RemoteChain.Item, _ standIn: T) -> T {
    misses.withLock { misses in
      if misses.count < Self.limit, !misses.contains(item) { misses.append(item) }
    }
    return standIn
  }

  /// What was read since the last call and is not fetched.
  func takeMisses() -> [RemoteChain.Item] {
    misses.withLock { misses in
      defer { misses = [] }
      return misses
    }
  }

  /// Ends the program when a synchronous function read what is not fetched: its result would be wrong.
  func requireNoMisses() {
    let items = takeMisses()
    precondition(
      items.isEmpty,
      "a forked chain fetches what it has not read yet, which Swift's synchronous functions cannot wait "
        + "for: make the same call over JSON-RPC (respond(to:)) instead; missing: \(items)")
  }
}
