/// A file of a model on a hub, as the hub lists it.
struct HubFile: Hashable, Sendable {
  let name: String
  /// Bytes.
  let size: Int64
  let checksum: FileChecksum
}
