/// What the pickle of a bfloat16 tensor says: its shape, and its place in its storage.
///
/// Python's pickler writes such a tensor in one way only (protocol 2): a call of
/// `torch._utils._rebuild_tensor_v2` with the storage's persistent id, offset, shape, stride,
/// `requires_grad` and an empty dictionary of hooks. That is read from top to bottom as a sequence, so
/// nothing is looked up or called.
struct TensorPickle {
  /// One to three dimensions, each at least 1.
  let shape: [Int]
  /// The first element's index in the storage.
  let offset: Int
  /// Elements of the storage.
  let storageCount: Int

  /// Elements of the tensor.
  var count: Int { shape.reduce(1, *) }

  /// A tensor that is all of its storage.
  init(shape: [Int]) {
    self.shape = shape
    offset = 0
    storageCount = shape.reduce(1, *)
  }

  /// Reads the pickle.
  ///
  /// - Throws: ``TorchArchiveError/pickle(offset:_:)`` for the first byte that such a pickle does not
  ///   have, and for elements outside the storage or not one behind the other.
  init(parsing bytes: ArraySlice<UInt8>) throws(TorchArchiveError) {
    var reader = PickleReader(bytes)
    try reader.expect(.proto, argument: 2)
    try reader.expectGlobal("torch._utils", "_rebuild_tensor_v2")
    try reader.expect(.mark)
    storageCount = try reader.persistentStorage()
    let start = reader.offset
    offset = try reader.integer()
    shape = try reader.integers()
    let stride = try reader.integers()
    try reader.expectBoolean()
    try reader.expectGlobal("collections", "OrderedDict")
    try reader.expect(.emptyTuple)
    try reader.expect(.reduce)
    try reader.expectMemo()
    try reader.expect(.tuple)
    try reader.expectMemo()
    try reader.expect(.reduce)
    try reader.expectMemo()
    try reader.expect(.stop)
    try reader.expectEnd()
    try checkPlace(stride, at: start)
  }

  /// Refuses elements outside the storage, and such as do not follow each other.
  private func checkPlace(_ stride: [Int], at start: Int) throws(TorchArchiveError) {
    guard shape.count == stride.count, shape.allSatisfy({ $0 >= 1 }) else {
      throw .pickle(offset: start, "shape \(shape) with strides \(stride)")
    }
    // Each is at most 31 bits, and the product is checked before the next factor: no overflow.
    var expected = 1
    for (size, step) in zip(shape, stride).reversed() {
      // Where there is one index only, its stride is never used, and PyTorch leaves any there.
      guard size == 1 || step == expected else {
        throw .pickle(
          offset: start, "shape \(shape) with strides \(stride): send a contiguous tensor")
      }
      expected *= size
      guard expected <= storageCount else { break }
    }
    guard expected <= storageCount, offset <= storageCount - expected else {
      throw .pickle(
        offset: start, "shape \(shape) at element \(offset) of a storage of \(storageCount)")
    }
  }

  /// The pickle of a contiguous tensor with a storage of its own, as Python writes it.
  var bytes: [UInt8] {
    let strides = shape.indices.map { shape[($0 + 1)...].reduce(1, *) }
    var writer = PickleWriter()
    writer.put(.proto, 2)
    writer.putGlobal("torch._utils", "_rebuild_tensor_v2")
    writer.put(.mark)
    writer.put(.mark)
    writer.putText("storage")
    writer.putGlobal("torch", "BFloat16Storage")
    writer.putText("0")
    writer.putText("cpu")
    writer.putInteger(storageCount)
    writer.putMemoized(.tuple)
    writer.put(.binaryPersistentID)
    writer.putInteger(offset)
    writer.putIntegers(shape)
    writer.putIntegers(strides)
    writer.put(.newFalse)
    writer.putGlobal("collections", "OrderedDict")
    writer.put(.emptyTuple)
    writer.putMemoized(.reduce)
    writer.putMemoized(.tuple)
    writer.putMemoized(.reduce)
    writer.put(.stop)
    return writer.bytes
  }
}
