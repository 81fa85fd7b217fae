import Foundation
import JSONValues
import TextKeys

/// The weight files of a checkpoint: one `model.safetensors`, or shards with their index.
enum CheckpointFiles {
  /// Opens every file and collects the tensors by their names without `transformer.`.
  static func open(_ directory: URL) throws(CheckpointError) -> TextDictionary<StoredTensor> {
    let single = directory.appending(path: "model.safetensors")
    let index = directory.appending(path: "model.safetensors.index.json")
    if FileManager.default.fileExists(atPath: single.path(percentEncoded: false)) {
      let file = try Safetensors(single)
      return try collect(file.tensors.values.map { ($0, isIndexed: false) })
    }
    guard FileManager.default.fileExists(atPath: index.path(percentEncoded: false)) else {
      throw .missingWeights(folder: directory.path(percentEncoded: false))
    }
    return try shards(index, in: directory)
  }

  private static func shards(
    _ index: URL, in directory: URL
  ) throws(CheckpointError) -> TextDictionary<StoredTensor> {
    let path = index.path(percentEncoded: false)
    let map = try weightMap(index)
    var files: TextDictionary<Safetensors> = [:]
    for name in Set(map.values.map { TextKey($0) }).sorted().map(\.text) {
      // An index may only name files beside itself.
      guard !name.utf8.contains(UInt8(ascii: "/")), name != "..", !name.isEmpty else {
        throw .contradictoryIndex(
          path: path, tensor: "weight_map", expected: "names of files in the same folder",
          found: name)
      }
      files[name] = try Safetensors(directory.appending(path: name))
    }
    for (tensor, file) in map where files[file]?.tensors[tensor] == nil {
      throw .contradictoryIndex(
        path: path, tensor: tensor, expected: "the tensor in \(file)",
        found: "a file without it")
    }
    // Where shards hold the same tensor, the index says which one counts.
    return try collect(
      files.sorted { TextKey($0.key) < TextKey($1.key) }.flatMap { name, file in
        file.tensors.map { ($0.value, isIndexed: map[$0.key]?.isExactly(name) ?? false) }
      })
  }

  private static func weightMap(_ index: URL) throws(CheckpointError) -> TextDictionary<String> {
    let file = try MappedFile(index)
    let root: JSON
    do {
      root = try JSON.parse(file.bytes, dialect: .python)
    } catch {
      throw .malformedJSON(path: file.path, reason: error.detail)
    }
    guard let members = root["weight_map"]?.objectValue?.members else {
      throw .malformedJSON(path: file.path, reason: "expected an object weight_map")
    }
    var map: TextDictionary<String> = [:]
    for member in members {
      guard let name = member.value.stringValue else {
        throw .contradictoryIndex(
          path: file.path, tensor: member.key, expected: "a file name",
          found: member.value.summary)
      }
      map[member.key] = name
    }
    return map
  }

  /// The tensors by their names without `transformer.`; those that an index names come before others
  /// of the same name.
  private static func collect(
    _ found: [(tensor: StoredTensor, isIndexed: Bool)]
  ) throws(CheckpointError) -> TextDictionary<StoredTensor> {
    var tensors: TextDictionary<(tensor: StoredTensor, isIndexed: Bool)> = [:]
    for next in found.filter(\.isIndexed) + found.filter({ !$0.isIndexed }) {
      let name = CheckpointLayout.canonical(next.tensor.name)
      guard let other = tensors[name] else {
        tensors[name] = next
        continue
      }
      guard other.isIndexed, !next.isIndexed else {
        throw .contradictoryIndex(
          path: next.tensor.file.path, tensor: next.tensor.name, expected: "each tensor once",
          found: "it also in \(other.tensor.file.path) as \(other.tensor.name)")
      }
    }
    return tensors.mapValues(\.tensor)
  }
}
