import Crypto
import Foundation

/// What tells one checkpoint from another without reading all of it.
enum Fingerprint {
  static func of(
    _ configuration: BloomConfiguration, _ tensors: [(name: String, tensor: StoredTensor)]
  ) -> String {
    var hash = SHA256()
    let shape = [
      configuration.vocabularySize, configuration.hiddenSize, configuration.headCount,
      configuration.blockCount, configuration.residualAfterLayerNorm ? 1 : 0,
      Int(configuration.layerNormEpsilon.bitPattern),
    ]
    hash.update(data: Data("\(shape)\n".utf8))
    for (name, tensor) in tensors {
      hash.update(data: Data("\(name) \(tensor.type.rawValue) \(tensor.shape)\n".utf8))
      hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: tensor.bytes.prefix(1024)))
    }
    return hash.finalize().map { byte in
      let digits = String(byte, radix: 16)
      return byte < 16 ? "0" + digits : digits
    }.joined()
  }
}
