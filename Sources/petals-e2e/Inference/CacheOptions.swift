import ArgumentParser
import Bloom

/// How keys and values are stored.
struct CacheOptions: ParsableArguments {
  @Option(
    name: .customLong("cache"),
    help: "Store keys and values in f32, or in f16: half the memory, and rounded.")
  var type = CacheType.f32
}
