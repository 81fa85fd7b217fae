package import Foundation
import PlumiseWire
package import TestVectors

/// Copies a golden checkpoint into a folder of its own, which the caller changes and removes.
package func checkpointCopy(_ model: TestVectors.Model = .tinyF16) throws -> URL {
  let folder = FileManager.default.temporaryDirectory
    .appending(path: "plumise-tests-model-\(UUID().uuidString)")
  try FileManager.default.copyItem(at: TestVectors.bloom(model), to: folder)
  return folder
}

/// Makes one weight of a checkpoint's last layer norm a NaN; nodes do not see it.
package func spoilLastNorm(in folder: URL) throws {
  struct NoWeight: Error {}
  let file = folder.appending(path: "model.safetensors")
  var bytes = try Data(contentsOf: file)
  let length = bytes.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
  let header = try JSON.parse(bytes[8..<8 + length])
  let offsets = header["ln_f.weight"]?["data_offsets"]?.arrayValue
  guard let offset = offsets?.first?.integerValue else { throw NoWeight() }
  let start = 8 + length + Int(offset)
  // Half precision's first number that is none.
  bytes.replaceSubrange(start..<start + 2, with: [0x01, 0x7e])
  try bytes.write(to: file)
}
