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
  // Half precision's first number that is none.
  try setElement(0, of: "ln_f.weight", to: 0x7e01, in: folder)
}

/// Has a block's first key come to some 10⁹, which no cache of 16 bits holds.
///
/// - Parameter hidden: The model's hidden size.
package func makeLargeKeys(ofBlock block: Int, hidden: Int, headSize: Int, in folder: URL) throws {
  let largest: UInt16 = 0x7bff
  try setElement(0, of: "h.\(block).input_layernorm.bias", to: largest, in: folder)
  // Rows are [heads, query key value, head size].
  try setElement(
    headSize * hidden, of: "h.\(block).self_attention.query_key_value.weight", to: largest,
    in: folder)
}

/// Writes an element of a tensor of half precision by its bits.
private func setElement(
  _ index: Int, of name: String, to bits: UInt16, in folder: URL
) throws {
  struct NoTensor: Error {}
  let file = folder.appending(path: "model.safetensors")
  var bytes = try Data(contentsOf: file)
  let length = bytes.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
  let header = try JSON.parse(bytes[8..<8 + length])
  let offsets = header[name]?["data_offsets"]?.arrayValue
  guard let offset = offsets?.first?.integerValue else { throw NoTensor() }
  let start = 8 + length + Int(offset) + 2 * index
  bytes.replaceSubrange(
    start..<start + 2, with: [UInt8(truncatingIfNeeded: bits), UInt8(bits >> 8)])
  try bytes.write(to: file)
}
