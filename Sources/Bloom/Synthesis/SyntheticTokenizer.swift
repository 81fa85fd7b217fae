/// The tokenizer of a made-up model: four special tokens and one token for each byte.
enum SyntheticTokenizer {
  /// Ids 0 to 3, as in BLOOM.
  static let specials = ["<unk>", "<s>", "</s>", "<pad>"]

  /// One past the highest id.
  static let count = specials.count + 256

  /// The id of a byte: in the order of BLOOM's alphabet, printable bytes first.
  static func id(of byte: UInt8) -> Int {
    specials.count + (order.firstIndex(of: byte) ?? 0)
  }

  /// BLOOM's own pre-tokenizer: a run of anything but white space and punctuation, with the space
  /// before it.
  static let pattern = #" ?[^(\s|[.,!?…。，、।۔،])]+"#

  /// The bytes by their characters' code points.
  private static let order = (0...255).map { UInt8($0) }
    .sorted { ByteAlphabet.scalars[Int($0)] < ByteAlphabet.scalars[Int($1)] }

  /// `tokenizer.json`.
  static var file: String {
    let added = specials.enumerated().map { id, content in
      "{\"id\":\(id),\"content\":\(JSONText.quoted(content)),\"single_word\":false,"
        + "\"lstrip\":false,\"rstrip\":false,\"normalized\":false,\"special\":true}"
    }
    let spellings = specials + order.map { String(ByteAlphabet.scalars[Int($0)]) }
    let vocabulary = spellings.enumerated().map { "\(JSONText.quoted($1)):\($0)" }
    return """
      {"version":"1.0","truncation":null,"padding":null,
      "added_tokens":[\(added.joined(separator: ","))],
      "normalizer":null,
      "pre_tokenizer":{"type":"Sequence","pretokenizers":[
      {"type":"Split","pattern":{"Regex":\(JSONText.quoted(pattern))},"behavior":"Isolated",\
      "invert":false},
      {"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}]},
      "post_processor":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":false,\
      "use_regex":false},
      "decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true},
      "model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,\
      "end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false,
      "vocab":{\(vocabulary.joined(separator: ","))},"merges":[]}}

      """
  }
}
