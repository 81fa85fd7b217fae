import EVM
public import EthereumPrimitives

/// Runs state tests.
public struct StateTestRunner: Sendable {
  private let machines: [Hardfork: VirtualMachine]

  /// A runner whose tests share code that is ready to run.
  public init() {
    let codes = CodeCache()
    machines = Dictionary(
      uniqueKeysWithValues: Hardfork.allCases.map { ($0, VirtualMachine(fork: $0, codes: codes)) })
  }

  /// What a test came to.
  public struct Verdict: Sendable {
    /// The state root after the transaction.
    public let root: Hash32
    /// keccak256 of the RLP of all logs.
    public let logs: Hash32
    /// What differs from the test, one a line; empty when all is equal.
    public var differences: [String] {
      let roots = root == test.expectedRoot ? [] : ["the root differs"]
      return others + roots + (logs == test.expectedLogs ? [] : ["the logs differ"])
    }
    /// What differs besides root and logs: whether the transaction is valid, who signed it, and its
    /// bytes.
    public let others: [String]
    fileprivate let test: StateTest
  }

  /// Runs a test.
  public func run(_ test: StateTest) -> Verdict {
    var differences = signatureDifferences(test)
    guard let machine = machines[test.hardfork] else { preconditionFailure("every fork has one") }
    var state = test.pre
    var logs: [Log] = []
    do throws(TransactionFault) {
      let outcome = try machine.execute(
        test.transaction, from: test.sender, on: state, in: test.block)
      logs = outcome.logs
      state.apply(outcome.effects)
      if let exception = test.expectedException {
        differences.append("the transaction is valid; expected \(exception)")
      }
    } catch {
      state.apply(machine.touchCoinbase(test.block, on: state))
      if test.expectedException == nil {
        differences.append("the transaction is invalid: \(error)")
      }
    }
    return Verdict(
      root: state.root, logs: Self.hash(logs), others: differences, test: test)
  }

  /// The key must be the sender's, and sign the very bytes that were sent.
  private func signatureDifferences(_ test: StateTest) -> [String] {
    var differences: [String] = []
    if test.key.address != test.sender {
      differences.append("sender: expected \(test.sender), the key's is \(test.key.address)")
    }
    let signed = test.transaction.signed(with: test.key)
    if signed.raw != test.raw {
      let (expected, actual) = (Hex.encode(test.raw), Hex.encode(signed.raw))
      differences.append("txbytes: expected \(expected), actual \(actual)")
    } else if (try? SignedTransaction(raw: test.raw).sender()) != test.sender {
      differences.append("txbytes: they do not come from \(test.sender)")
    }
    return differences
  }

  /// keccak256 of the RLP of a list of [address, [topics], data].
  static func hash(_ logs: [Log]) -> Hash32 {
    var list = RLPWriter()
    for log in logs {
      var topics = RLPWriter()
      for topic in log.topics { topics.append(topic) }
      var item = RLPWriter(capacity: log.data.count + 200)
      item.append(log.address)
      item.append(encoded: topics.list())
      item.append(log.data)
      list.append(encoded: item.list())
    }
    return list.listHash()
  }
}
