import EthereumClient
import EthereumPrimitives
import PlumiseWire

/// The block that a chain is forked at.
struct ForkOrigin: Sendable {
  let remote: RemoteChain
  /// The block without its transactions, which the remote chain has.
  let block: Block
}

extension ChainConfiguration {
  /// Begins the chain with a block of another chain, and reads everything of before through JSON-RPC:
  /// accounts, code, storage, blocks, transactions, receipts and logs (Chain.md, Forking).
  ///
  /// The chain's id and the block gas limit become the remote chain's. The funded ``accounts`` keep
  /// the nonces and the code that they have there, and get the balances that they have here.
  /// - Parameters:
  ///   - url: where the remote chain answers, as `http://127.0.0.1:8545`.
  ///   - number: the height of the block; nil for the latest.
  /// - Throws: ``ForkError`` when the remote chain cannot be read.
  public mutating func fork(from url: String, at number: UInt64? = nil) async throws {
    let tag = number.map { JSON.quantity($0) } ?? "latest"
    let answers = try await RemoteChain.ask(
      url, [("eth_chainId", []), ("eth_getBlockByNumber", [tag, false])])
    let id = try RemoteChain.result(answers[0], of: "eth_chainId", from: url, at: nil)
    // The error says what the remote answered; why that is no number adds nothing.
    guard let chainID = try? GethValue(json: id, position: 0).uint64() else {
      throw ForkError.malformed(url: url, method: "eth_chainId", answer: id.text)
    }
    let json = try RemoteChain.result(answers[1], of: "eth_getBlockByNumber", from: url, at: nil)
    if json.isNull, let number { throw ForkError.noSuchBlock(url: url, block: number) }
    let block: Block
    do { block = try Block(remote: json) } catch {
      throw ForkError.malformed(url: url, method: "eth_getBlockByNumber", answer: "\(error)")
    }
    let remote = RemoteChain(url: url, number: block.number)
    let natives = [rules.registryAddress, rules.poolAddress]
    try await remote.fetch(
      (accounts.map(\.address) + balances.keys + genesisAccounts.keys + natives).map {
        .account($0)
      })
    rules.chainID = chainID
    rules.blockGasLimit = block.header.gasLimit
    // Where the remote chain has bytecode, the bytecode runs.
    rules.remoteContracts = Set(
      natives.filter { address in
        let code = remote.account(address)?.code ?? []
        return !code.isEmpty && code != Account(isNative: true).code
      })
    fork = ForkOrigin(remote: remote, block: block)
  }

  /// The same chain without a fork.
  func withoutFork() -> ChainConfiguration {
    var own = self
    own.fork = nil
    own.rules.remoteContracts = []
    return own
  }
}

extension Block {
  /// The header of another chain's block, as `eth_getBlockByNumber` gives it.
  ///
  /// Its hash is the one that is given: the header may have fields of other hard forks.
  fileprivate convenience init(remote json: JSON) throws {
    let fields = try GethValue(json: json, position: 0).fields(of: "block")
    func field(_ name: String) throws -> GethValue {
      guard let value = fields[name] else {
        throw RPCFailure.refused("a block without \(name)")
      }
      return value
    }
    let bloom = try field("logsBloom").bytes()
    guard bloom.count == 256 else { throw RPCFailure.refused("a bloom of \(bloom.count) bytes") }
    let number = try field("number").uint64()
    // The blocks to come need numbers as well.
    guard number <= UInt64(Int64.max) else {
      throw RPCFailure.refused("the block number \(number), which is above 2⁶³ − 1")
    }
    let header = BlockHeader(
      parentHash: try field("parentHash").hash(),
      coinbase: try fields["miner"]?.address() ?? .zero,
      stateRoot: try field("stateRoot").hash(),
      transactionsRoot: try field("transactionsRoot").hash(),
      receiptsRoot: try field("receiptsRoot").hash(), logsBloom: bloom,
      difficulty: try fields["difficulty"]?.word().clampedDifficulty ?? 0,
      number: number, gasLimit: try field("gasLimit").uint64(),
      gasUsed: try field("gasUsed").uint64(), timestamp: try field("timestamp").uint64(),
      extraData: try fields["extraData"]?.bytes() ?? [],
      baseFeePerGas: try fields["baseFeePerGas"]?.word() ?? BaseFee.initial)
    self.init(
      remote: header, hash: try field("hash").hash(),
      totalDifficulty: try fields["totalDifficulty"]?.word().clampedDifficulty ?? 0)
  }
}

extension Word {
  /// A difficulty in 62 bits, to which those of later blocks can be added.
  fileprivate var clampedDifficulty: UInt64 {
    let limit = UInt64.max >> 2
    return exactUInt64().map { Swift.min($0, limit) } ?? limit
  }
}
