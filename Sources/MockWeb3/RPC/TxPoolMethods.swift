import EthereumPrimitives
import PlumiseWire

/// `txpool_`: what waits.
enum TxPoolMethods {
  static let table: [String: RPCMethod] = [
    "txpool_status": .plain { chain, _ in
      func count(_ part: [Address: [TransactionPool.Entry]]) -> JSON {
        .quantity(UInt64(part.values.reduce(0) { $0 + $1.count }))
      }
      return [
        "pending": count(chain.pool.pending(state: chain.state)),
        "queued": count(chain.pool.queued(state: chain.state)),
      ]
    },
    "txpool_content": .plain { chain, _ in
      content(chain) { $0.json(place: nil) }
    },
    "txpool_contentFrom": RPCMethod(arguments: 1) { arguments in
      let sender = try arguments.address(0)
      return { chain, _ in
        func part(_ entries: [Address: [TransactionPool.Entry]]) -> JSON {
          let own = (entries[sender] ?? []).map {
            ("\($0.sent.transaction.nonce)", $0.sent.json(place: nil))
          }
          return .object(JSONObject(uniqueMembers: own))
        }
        return [
          "pending": part(chain.pool.pending(state: chain.state)),
          "queued": part(chain.pool.queued(state: chain.state)),
        ]
      }
    },
    "txpool_inspect": .plain { chain, _ in
      content(chain) { sent in
        let transaction = sent.transaction
        let to = transaction.to?.checksummed ?? "contract creation"
        return .string(
          "\(to): \(transaction.value) wei + \(transaction.gasLimit) gas × "
            + "\(transaction.fee.maxFeePerGas) wei")
      }
    },
  ]

  /// Both parts, by sender (checksummed, as in geth) and nonce (decimal).
  private static func content(
    _ chain: Chain, _ render: (SentTransaction) -> JSON
  ) -> JSON {
    func part(_ entries: [Address: [TransactionPool.Entry]]) -> JSON {
      .object(
        JSONObject(
          uniqueMembers: entries.sorted { $0.key < $1.key }.map { sender, run in
            let byNonce = run.map { entry in
              ("\(entry.sent.transaction.nonce)", render(entry.sent))
            }
            return (sender.checksummed, JSON.object(JSONObject(uniqueMembers: byNonce)))
          }))
    }
    return [
      "pending": part(chain.pool.pending(state: chain.state)),
      "queued": part(chain.pool.queued(state: chain.state)),
    ]
  }
}
