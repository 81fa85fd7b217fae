public import EthereumPrimitives

/// A contract that is no bytecode: a standard precompile, or one of the embedder's.
public protocol NativeContract: Sendable {
  /// The hash of the code that its account must have for the contract to run; nil for a precompile,
  /// which runs whatever its account has, and whose account is warm from the start (EIP-2929).
  var codeHash: Hash32? { get }
  /// Runs a call.
  ///
  /// What it did to the state is undone when it does not return.
  func run(_ call: NativeCall, in host: NativeHost) -> NativeResult
}

extension NativeContract {
  /// A precompile, unless a contract says otherwise.
  public var codeHash: Hash32? { nil }
}

/// A call of a native contract.
public struct NativeCall {
  /// Who calls.
  public let caller: Address
  /// Whose state the call works on: the contract itself, but for DELEGATECALL and CALLCODE.
  public let address: Address
  /// Where the contract is.
  public let contract: Address
  /// Wei that came with the call, transferred already.
  public let value: Word
  /// The call's input; valid during the call only.
  public let input: UnsafeRawBufferPointer
  /// How much gas there is.
  public let gas: UInt64
  /// Whether it must not change anything; a call that writes all the same fails and is undone.
  public let isStatic: Bool
}

/// What a native contract came to.
public enum NativeResult: Sendable {
  /// It used so much gas, and returned bytes.
  case returned([UInt8], gas: UInt64)
  /// It used so much gas, and undid what it did.
  case reverted([UInt8], gas: UInt64)
  /// It used all gas, and undid what it did, for a reason in its own words.
  case failed(String)
}

/// State of the embedder's native contracts that is not in storage, which has to go back with the
/// rest.
public protocol NativeState: AnyObject {
  /// A number that stands for this moment.
  func snapshot() -> Int
  /// Goes back to a moment.
  func revert(to snapshot: Int)
}

/// What a native contract may do to the state.
public struct NativeHost {
  let journal: Journal
  /// The block that the call runs in.
  public let block: BlockContext
  /// The account that sent the transaction.
  public let origin: Address

  /// The embedder's state of native contracts that was given to the machine.
  public var state: (any NativeState)? { journal.native }

  /// An account's balance in wei.
  public func balance(of address: Address) -> Word {
    journal.records[journal.index(of: address)].balance
  }

  /// Moves wei from an account to another.
  /// - Returns: false, and nothing changes, when the sender has less.
  public func transfer(_ value: Word, from sender: Address, to recipient: Address) -> Bool {
    let (from, to) = (journal.index(of: sender), journal.index(of: recipient))
    guard journal.records[from].balance >= value else { return false }
    journal.transfer(value, from: from, to: to)
    return true
  }

  /// The value in a slot of an account's storage.
  public func storage(at address: Address, slot: Word) -> Word {
    journal.slots[journal.slotIndex(journal.index(of: address), slot)].value
  }

  /// Writes a slot of an account's storage.
  public func setStorage(at address: Address, slot: Word, to value: Word) {
    journal.setSlot(journal.slotIndex(journal.index(of: address), slot), value)
  }

  /// Adds to the gas that comes back at the transaction's end, which is a fifth of what was used at most
  /// (EIP-3529); it is undone with the call.
  public func addRefund(_ gas: Int64) { journal.refund += gas }

  /// Emits an event.
  public func emit(_ log: Log) { journal.emit(log) }
}
