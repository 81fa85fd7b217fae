import EthereumClient
import EthereumPrimitives
import Logging
import PlumiseWire
import Synchronization

/// Challenges, with the deployed oracle's fault: a difficulty that the contract refuses (drift 28).
extension ChainOperator {
  private static let opened = ABI.eventTopic(
    "ChallengeCreated(uint256,uint256,bytes32,uint256,uint256)")
  private static let solved = ABI.eventTopic("ChallengeSolved(uint256,address,bytes32,uint256)")

  /// Opens a challenge when none is open.
  /// - Throws: why the chain does not say whether the contract is there.
  func lookForChallenges() async throws {
    guard let contract = plan.challengeManager else { return }
    if plan.awaitsChallengeManager {
      let code = try await client.request(
        "eth_getCode", [.string(contract.lowercaseHex), "latest"])
      guard code != "0x" else { return }
    }
    await readEvents(of: contract)
    await loadCurrentChallenge(of: contract)
    if let challenge = currentChallenge, !challenge.isSolved,
      Int128(unixClock.seconds) < Int128(challenge.expiresAt)
    {
      return
    }
    // The contract takes 8 to 32 leading zero bits; the deployed oracle asks for 5.
    let difficulty: Word = profile == .faithful ? 5 : 8
    let signature = "createChallenge(uint256,bytes32,uint256)"
    do {
      let seed = try Hash32(bytes: (0..<32).map { _ in UInt8.random(in: 0...255) })
      try await sendAndWait(
        ABI.call(signature, [.uint(difficulty), .bytes32(seed), .uint(3600)]), to: contract,
        .challenges, signature)
    } catch {
      // The outcome has the reason; the next look tries again.
      return
    }
    await readEvents(of: contract)
    await loadCurrentChallenge(of: contract)
  }

  /// Reads the current challenge; one that cannot be read leaves the last one as it is.
  private func loadCurrentChallenge(of contract: Address) async {
    do {
      let words = try ContractAnswer(
        await client.call(to: contract, data: ABI.call("getCurrentChallenge()")))
      let id = try words.number(0)
      guard id > 0 else {
        currentChallenge = nil
        return
      }
      let solver = try words.address(6)
      let challenge = ChainTables.Challenge(
        id: id, difficulty: try words.number(1), seed: try words.hash(2),
        createdAt: try words.number(3), expiresAt: try words.number(4),
        isSolved: try !words.word(5).isZero, solver: solver == .zero ? nil : solver,
        rewardBonus: try words.word(7), syncedAt: unixClock.seconds)
      currentChallenge = challenge
      records.tables.withLock { $0.save(challenge) }
    } catch {
      logger.debug("the current challenge cannot be read", metadata: ["reason": "\(error)"])
    }
  }

  /// Reads which challenges were opened and solved since the last look.
  func readEvents(of contract: Address) async {
    do {
      let latest = try await client.blockNumber()
      let first = nextEventBlock ?? latest
      guard first <= latest else { return }
      let logs = try await client.request(
        "eth_getLogs",
        [
          [
            "address": .string(contract.lowercaseHex),
            "fromBlock": .string(Quantity.encode(first)),
            "toBlock": .string(Quantity.encode(latest)),
          ]
        ])
      nextEventBlock = latest + 1
      let now = unixClock.seconds
      for log in logs.arrayValue ?? [] {
        let topics = try (log["topics"]?.arrayValue ?? []).map {
          try Hash32($0.stringValue ?? "")
        }
        guard topics.count > 1, let id = topics[1].word.exactUInt64() else { continue }
        if topics[0] == Self.opened { challenges.recordOpening(of: id, at: now) }
        if topics[0] == Self.solved, topics.count > 2 {
          challenges.recordSolution(of: id, by: Address(truncating: topics[2].word), at: now)
        }
      }
    } catch {
      logger.debug("the challenges' events cannot be read", metadata: ["reason": "\(error)"])
    }
  }
}
