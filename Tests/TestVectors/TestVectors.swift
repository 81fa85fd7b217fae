public import Foundation

/// The golden data that the tests compare with, all of it made by other implementations.
///
/// `ethereum.json` and `eip712.json` come from web3.py and eth-account, `bloom/*` from torch and transformers,
/// `tokenizers/*` from tokenizers, `torch-archives.json` from torch, `swarm.json` from hivemind and Petals, `evm` from Ethereum's public test suites, `oracle-deployed` from
/// the oracle that runs today.
public enum TestVectors {
  /// A BLOOM checkpoint with its expected hidden states, logits, ids and tokenizer cases.
  public enum Model: String, CaseIterable, Sendable {
    /// 24 blocks, hidden 64, 4 heads (a power of two), F16, one file.
    case tinyF16 = "tiny-f16"
    /// 24 blocks, hidden 48, 6 heads (not a power of two), F32, three files with an index.
    case oddF32Sharded = "odd-f32-sharded"
    /// 4 blocks, hidden 48, 3 heads, BF16, the residual taken after the layer norm.
    case postLayerNormBF16 = "post-layernorm-bf16"
    /// 3 blocks, hidden 32, 4 heads, F16, an LM head of its own, and a `generation_config.json`.
    case untiedF16 = "untied-f16"
  }

  /// Keys, digests, signatures, reports, transactions, proofs, calldata and keystores.
  public static var ethereum: URL { root.appending(path: "ethereum.json") }

  /// Trie roots, header hashes, blooms, receipts and base fees (`Scripts/chain_vectors.py`).
  public static var chain: URL { root.appending(path: "chain.json") }

  /// Typed data with their digests and signatures (`Scripts/eip712_vectors.py`).
  public static var typedData: URL { root.appending(path: "eip712.json") }

  /// RLP, transactions and tries of Ethereum's public test suite (github.com/ethereum/tests, MIT).
  public static var ethereumTests: URL { root.appending(path: "ethereum-tests.json") }

  /// Words and what the machine's arithmetic makes of them (`Scripts/word_vectors.py`).
  public static var words: URL { root.appending(path: "words.json") }

  /// The folder of state tests, precompiles and contracts (its README names the sources).
  public static var evm: URL { root.appending(path: "evm") }

  /// What the deployed oracle answers: one case a line, recorded from the service's own controllers,
  /// validators and HTTP stack (`mikusnuz/plumise-oracle` 294ef01) with its clock standing still and
  /// its tables in memory.
  public static var deployedOracle: URL { root.appending(path: "oracle-deployed.jsonl.gz") }

  /// What `torch.save` of several versions writes, for tensors that are read and for others
  /// (`Scripts/torch_vectors.py`).
  public static var torchArchives: URL { root.appending(path: "torch-archives.json") }

  /// Bytes that hivemind and Petals make: msgpack, keys, records, tensors and messages
  /// (`Scripts/swarm_vectors.py`).
  public static var swarm: URL { root.appending(path: "swarm.json") }

  /// Swarms, and where their servers should be by Petals' rule (`Scripts/swarm_balance_vectors.py`).
  public static var swarmBalance: URL { root.appending(path: "swarm-balance.json") }

  /// The folder of one checkpoint.
  public static func bloom(_ model: Model) -> URL {
    root.appending(path: "bloom").appending(path: model.rawValue)
  }

  /// `texts.json`, and a folder for each tokenizer (`Scripts/tokenizer_vectors.py`).
  public static var tokenizers: URL { root.appending(path: "tokenizers") }

  private static var root: URL { Bundle.module.resourceURL ?? Bundle.module.bundleURL }
}
