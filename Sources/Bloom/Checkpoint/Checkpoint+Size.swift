extension Checkpoint {
  /// Bytes of the weights of the largest block, in its file and in memory, which is the file's.
  public var largestBlockBytes: Int {
    let sizes = (0..<configuration.blockCount).map { block in
      CheckpointLayout.BlockTensor.allCases.reduce(0) { size, part in
        let name = part.name(block: block)
        return size + tensor(name).range.count + (scales(of: name)?.range.count ?? 0)
      }
    }
    return sizes.max() ?? 0
  }
}
