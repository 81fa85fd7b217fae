import EthereumClient
import EthereumPrimitives
import Logging
import PlumiseWire
import Synchronization

/// What the oracle books from the blocks of the chain: registrations, heartbeats, and claimed rewards.
///
/// Faults of the deployed oracle, which the profile `faithful` reproduces (drift 30): it books what it
/// sent for an agent on itself, the sender, and waits for `RewardClaimed(address)`, which no contract
/// logs.
extension ChainOperator {
  /// How many blocks one request asks for, and one look at most.
  private static let (blocksPerRequest, blocksPerLook): (UInt64, UInt64) = (100, 5000)

  /// A call of one of the two precompiled contracts.
  private struct Call {
    let hash: Hash32
    let sender: Address
    let call: PrecompileCall
    /// When its block was made, in unix seconds.
    let time: Int64

    /// The account that the call is about: the sender, unless it names another one.
    var subject: Address? {
      switch call {
      case .registration(let registration): registration.beneficiary ?? sender
      case .heartbeat(let agent): agent ?? sender
      case .verifyInference, .claimReward: nil
      }
    }
  }

  /// Books what the blocks since the last look hold; the first look only notes the block.
  func watchBlocks() async throws {
    let latest = try await client.blockNumber()
    guard let first = nextBlock, first <= latest else {
      nextBlock = min(nextBlock ?? .max, latest + 1)
      return
    }
    let last = min(latest, first + Self.blocksPerLook - 1)
    for start in stride(from: first, through: last, by: Int(Self.blocksPerRequest)) {
      let end = min(last, start + Self.blocksPerRequest - 1)
      for call in try await calls(inBlocks: start...end) { try await book(call) }
      try await bookClaims(inBlocks: start...end)
      nextBlock = end + 1
    }
  }

  private func calls(inBlocks numbers: ClosedRange<UInt64>) async throws -> [Call] {
    let blocks = try await client.batch(
      numbers.map { ("eth_getBlockByNumber", [.string(Quantity.encode($0)), true]) })
    return try blocks.flatMap { block in
      let block = try block.get()
      let time = try Quantity.decode(block["timestamp"]?.stringValue ?? "0x0").exactUInt64()
      return (block["transactions"]?.arrayValue ?? []).compactMap {
        Self.call($0, at: Int64(clamping: time ?? .max))
      }
    }
  }

  private static func call(_ transaction: JSON, at time: Int64) -> Call? {
    // Whatever is no call of the two contracts, or none that they take, is nothing to book.
    guard let recipient = transaction["to"]?.stringValue.flatMap({ try? Address($0) }),
      let contract = PrecompileCall.Contract(address: recipient),
      contract == .agentRegister || contract == .agentHeartbeat,
      let hash = transaction["hash"]?.stringValue.flatMap({ try? Hash32($0) }),
      let sender = transaction["from"]?.stringValue.flatMap({ try? Address($0) }),
      let input = transaction["input"]?.stringValue.flatMap({ try? Hex.decode($0) }),
      let call = try? PrecompileCall(to: contract, input: input)
    else { return nil }
    return Call(hash: hash, sender: sender, call: call, time: time)
  }

  private func book(_ call: Call) async throws {
    guard let subject = call.subject, try await client.receipt(of: call.hash)?.succeeded == true
    else { return }
    let wallet = profile == .faithful ? call.sender : subject
    let now = unixClock.seconds
    var name: String?
    if case .registration(let registration) = call.call { name = registration.name }
    records.tables.withLock { $0.book(wallet, registeredAs: name, seenAt: call.time, at: now) }
  }

  private func bookClaims(inBlocks numbers: ClosedRange<UInt64>) async throws {
    let topic =
      profile == .faithful
      ? ABI.eventTopic("RewardClaimed(address)") : ContractEvent.rewardClaimed.topic
    let logs = try await client.request(
      "eth_getLogs",
      [
        [
          "address": .string(PlumiseNetwork.Contract.rewardPool.lowercaseHex),
          "topics": [.string(topic.hex)],
          "fromBlock": .string(Quantity.encode(numbers.lowerBound)),
          "toBlock": .string(Quantity.encode(numbers.upperBound)),
        ]
      ])
    for log in logs.arrayValue ?? [] {
      let topics = try (log["topics"]?.arrayValue ?? []).map { try Hash32($0.stringValue ?? "") }
      let data = try ContractAnswer(Hex.decode(log["data"]?.stringValue ?? "0x"))
      guard topics.count > 1 else { continue }
      let amount = try data.word(0)
      let agent = Address(truncating: topics[1].word)
      records.tables.withLock { $0.bookClaim(of: amount, by: agent) }
    }
  }
}
