"""Makes the table of ../tokenizers with Hugging Face's tokenizers: 12 files, 500 texts.

The ids and texts come from the tokenizers package (0.23), none of them from this project's code.

    python3 -m venv venv
    venv/bin/pip install 'tokenizers==0.23.*'
    venv/bin/python tokenizer_vectors.py OUT

writes OUT/texts.json, and for each file OUT/NAME/tokenizer.json and OUT/NAME/expected.json: `ids`, one
list for each text; `texts`, what those ids decode to where that is not the text itself, by the text's
number; `decoded`, made-up lists of ids with what they decode to. Special tokens are never left out.
"""

import json
import pathlib
import random
import sys

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers import processors, trainers

BLOOM = " ?[^(\\s|[.,!?…。，、।۔،])]+"
LLAMA = ("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|"
         " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+")
WORDS = ("[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+"
         "(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\d{1,3}| ?[^\\s\\w]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+|.")
CORPUS = [
    "Explain quantum computing to someone who computes with qubits and numbers.",
    "Hello world! The quick brown fox jumps over the lazy dog.", "the then there these 1000 1234",
    "def main():\n    return 42\n", "분산 추론은 여러 노드가 함께 답하는 일이다.", "naïve café déjà vu",
    "مرحبا، كيف الحال؟", "abcabc abcd bcd abc ab bc", "\r\n\r\n\t\t  if x:\r\n",
]
FIXED = [
    "", " ", "  ", "\n", "\r\n", "\r", "\t", "\0", "a", " a", "a ", "abc", "xabcx", "abbc", "bcd",
    "abcd", "abcabcabc", "Hello world!", "Explain quantum computing", " \u0301a", "a\u0301",
    "\u00e9", "e\u0301", "\u0301", "=\u0301", "-\u0301", "\u212a", "K", "k", "\u212b", "\u00c5",
    "A\u030a", "\ufb01", "\u1e9e", "\u0130", "\u03a3", "I'm don't we'LL it'\u017f 3.14 1,000",
    "1234567 \u0661\u0662 \u00b2\u00bd", "\u200b\ufeff\u200d\u2060", "🙂👩\u200d👩\u200d👧🇰🇷", "\U0001f9ff",
    "分散推論、。", "naïve café — “quotes” …", "(a|b)[c] .,!?…。，、।۔، ]x[ )y(", "مرحبا، كيف الحال؟",
    "def main():\n    return 42\n", "\r\n\r\n  \r\n x", "a\r\nb\rc\nd", "x" * 70, " " * 9 + "y",
    "<s>", "</s>", "<unk>", "<s>a</s>", "<s> a </s>", " <s>  <s> ", "a<mask>b", "a <mask> b",
    "a\n<mask>\nb", "<mask><mask>", "word", "words", "aword", "a word.", "word word", "wordé", "é word",
    "word\u0301", "word\u200d", "word_", "<tag>", "<tagged>", "<TAG>", "x<tag>y", "Ċ", "Ġ", "Ġa",
    "Ā", "\x01\x1f\x7f\x80\x9f\xa0\xad", "\u2028\u2029\x0b\x0c\x85\u3000", "caf\u00e9<s>cafe\u0301",
    "ABC", "AbC bCd", "\ud7a3\u1112\u1161\u11ab", "\u0958\u0344", "ſ", "<0x41>", "[PAD]",
    "the end", "The End", "then", "  then  ", "tabs\t\tand\nlines\n\n\nend", "a\u0300\u0301\u0302",
]
PIECES = [
    "a", "b", "c", "d", "ab", "bc", "bcd", " ", "  ", "\n", "\r\n", "\t", ".", ",", "'s", "'LL", "1",
    "23", "4567", "the", "Hello", "word", "<s>", "</s>", "<mask>", "<tag>", "é", "e\u0301", "\u0301",
    "\u00df", "İ", "ﬁ", "分", "散", "추론", "ب", "،", "🙂", "\u200d", "\0", "\x1b", "(", "]", "|", "-", "_",
    "Ġ", "Ċ", "\u00a0", "\u3000", "x", "Z",
]


def texts():
    chance = random.Random(20251128)
    made = list(FIXED)
    while len(made) < 500:
        text = "".join(chance.choice(PIECES) for _ in range(chance.randint(1, 7)))
        if text not in made:
            made.append(text)
    return made


def vocabulary(size, alphabet=True):
    """A small vocabulary and its merges, learnt from the corpus."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=size, show_progress=False, special_tokens=["<unk>", "<s>", "</s>", "<pad>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()) if alphabet else [])
    tokenizer.train_from_iterator(CORPUS, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return model["vocab"], [tuple(merge) for merge in model["merges"]]


def byte_level(model, prefix_space=False, use_regex=True, splits=()):
    tokenizer = Tokenizer(model)
    last = pre_tokenizers.ByteLevel(add_prefix_space=prefix_space, use_regex=use_regex)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*splits, last]) if splits else last
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def special(*contents):
    return [AddedToken(content, special=True, normalized=False) for content in contents]


def made_tokenizers():
    vocab, merges = vocabulary(340)
    small, small_merges = vocabulary(60, alphabet=False)
    split = pre_tokenizers.Split

    bloom = byte_level(
        models.BPE(vocab, merges), use_regex=False, splits=[split(Regex(BLOOM), "isolated")])
    bloom.add_special_tokens(special("<unk>", "<s>", "</s>", "<pad>"))
    bloom.post_processor = processors.ByteLevel(trim_offsets=False)
    yield "01-bloom", bloom, {}

    # The other spelling of the merges.
    gpt2 = byte_level(models.BPE(vocab, merges), prefix_space=True)
    gpt2.add_special_tokens(special("<s>", "</s>"))
    yield "02-prefix-space", gpt2, dict(legacy=True)

    passes = byte_level(models.BPE(vocab, merges))
    passes.add_tokens([
        AddedToken("ab", normalized=True), AddedToken("bc", normalized=False),
        AddedToken("bcd", normalized=True), AddedToken("Hello", normalized=True),
        AddedToken("\n", normalized=False), AddedToken("é", normalized=False),
        AddedToken("e\u0301", normalized=False), AddedToken("Ġa", normalized=True)])
    passes.add_special_tokens(special("<s>", "</s>"))
    yield "03-two-passes", passes, {}

    strips = byte_level(models.BPE(vocab, merges))
    strips.add_tokens([
        AddedToken("<mask>", lstrip=True, normalized=False),
        AddedToken("<tag>", lstrip=True, rstrip=True, normalized=False),
        AddedToken("word", single_word=True, normalized=False),
        AddedToken("é", single_word=True, rstrip=True, normalized=True),
        AddedToken("<s>", rstrip=True, normalized=False, special=True),
        AddedToken("\r\n", normalized=False)])
    yield "04-strips-and-words", strips, {}

    # Raw control characters beside the byte-level spelling of the same bytes.
    raw = dict(vocab)
    for token in ["\n", "\t", "\x00", " ", "\r\n", "\u0301", "é", "e\u0301", "", "\x1b"]:
        raw.setdefault(token, len(raw))
    control = byte_level(models.BPE(raw, merges))
    control.add_tokens([AddedToken("\t", normalized=False), AddedToken("\x1b", normalized=False)])
    yield "05-raw-controls", control, {}

    unknown = byte_level(models.BPE(small, small_merges, unk_token="<unk>"))
    unknown.add_special_tokens(special("<unk>", "<s>"))
    yield "06-unknown", unknown, {}

    fused = byte_level(
        models.BPE({**small, **{f"<0x{byte:02X}>": 100 + at for at, byte in
                                enumerate([0xC4, 0x8A, 0xC3, 0xA9, 0x41, 0xA0])}},
                   small_merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    yield "07-fused-unknown-and-bytes", fused, {}

    whole = dict(vocab)
    for token in ["Ġword", "abcd", "Ġthe", "1234567", "ĠHello", "xabcx", "éclair", "Ã©", "ðŁĻĤ"]:
        whole.setdefault(token, len(whole))
    ignoring = byte_level(
        models.BPE(whole, merges, ignore_merges=True), use_regex=False,
        splits=[split(Regex(LLAMA), "isolated")])
    ignoring.add_special_tokens(special("<s>", "</s>"))
    ignoring.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(
            single="<s> $A", pair="<s> $A <s> $B:1", special_tokens=[("<s>", whole["<s>"])])])
    yield "08-ignored-merges-and-template", ignoring, {}

    composed = byte_level(models.BPE(vocab, merges))
    composed.normalizer = normalizers.NFC()
    composed.add_tokens([AddedToken("e\u0301", normalized=True), AddedToken("Å", normalized=False)])
    composed.add_special_tokens(special("<s>"))
    composed.post_processor = processors.RobertaProcessing(
        ("</s>", vocab["</s>"]), ("<s>", vocab["<s>"]))
    yield "09-nfc-and-roberta", composed, {}

    lower = byte_level(
        models.BPE(vocab, merges), prefix_space=True,
        splits=[split(" ", "merged_with_next"), split(Regex("[0-9]"), "merged_with_previous")])
    lower.normalizer = normalizers.Sequence([
        normalizers.Replace("<mask>", "..."), normalizers.NFKD(), normalizers.StripAccents(),
        normalizers.Lowercase(), normalizers.Strip(left=False), normalizers.Prepend("^")])
    lower.add_tokens([AddedToken("ABC", normalized=True), AddedToken("<TAG>", normalized=False)])
    yield "10-normalizers-and-merged-splits", lower, {}

    cut = byte_level(
        models.BPE(vocab, merges), use_regex=False,
        splits=[split(Regex(WORDS), "removed", invert=True), split("\t", "contiguous")])
    cut.add_special_tokens(special("<s>", "</s>"))
    cut.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="$A $B:1",
        special_tokens=[("<s>", vocab["<s>"]), ("</s>", vocab["</s>"])])
    cut.enable_truncation(7, direction="left")
    cut.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Fuse()])
    yield "11-truncated-on-the-left", cut, {}

    plain = byte_level(models.BPE(vocab, merges), splits=[split(Regex("\\w+"), "removed")])
    plain.decoder = None
    plain.enable_truncation(12, stride=2, strategy="only_first")
    plain.enable_padding()
    plain.add_tokens([AddedToken("Hello", normalized=False), AddedToken("  ", normalized=False)])
    yield "12-no-decoder", plain, dict(legacy=True)


def write(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


def main(root):
    root.mkdir(parents=True, exist_ok=True)
    table = texts()
    write(root / "texts.json", table)
    for name, tokenizer, options in made_tokenizers():
        out = root / name
        out.mkdir(exist_ok=True)
        file = json.loads(tokenizer.to_str())
        if options.get("legacy"):
            file["model"]["merges"] = [" ".join(merge) for merge in file["model"]["merges"]]
        write(out / "tokenizer.json", file)
        # What is compared with is what tokenizers makes of the written file.
        tokenizer = Tokenizer.from_file(str(out / "tokenizer.json"))
        chance = random.Random(name)
        ids = [tokenizer.encode(text).ids for text in table]
        read = [tokenizer.decode(each, skip_special_tokens=False) for each in ids]
        highest = max(tokenizer.get_vocab().values())
        lists = [[chance.randint(0, highest + 2) for _ in range(chance.randint(1, 6))]
                 for _ in range(60)]
        write(out / "expected.json", dict(
            ids=ids,
            texts={str(at): text for at, text in enumerate(read) if text != table[at]},
            decoded=[dict(ids=each, text=tokenizer.decode(each, skip_special_tokens=False))
                     for each in lists]))
        print(out)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
