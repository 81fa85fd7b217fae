"""Makes golden BLOOM checkpoints like those in ../bloom, with what transformers makes of them.

The hidden states, logits, gradients, ids and tokenizer cases come from transformers' own
BloomForCausalLM and from the tokenizers package, in float32 on the CPU; none of it from this
project's code. A checkpoint's weights are rounded to its element type first and computed with as
float32, so that its files and its expected values agree.

    python3 -m venv venv
    venv/bin/pip install torch transformers tokenizers safetensors numpy
    venv/bin/python bloom_vectors.py OUT [NAME...]

writes OUT/tiny-f16, OUT/odd-f32-sharded, OUT/post-layernorm-bf16 and OUT/untied-f16, or those that
are named. Another version of torch draws other random numbers: the files differ from the committed
ones, and must pass the same tests.
"""

import json
import pathlib
import sys

import torch
from safetensors.torch import save_file
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import BloomConfig, BloomForCausalLM

SPECIALS = ["<unk>", "<s>", "</s>", "<pad>"]
PATTERN = " ?[^(\\s|[.,!?…。，、।۔،])]+"
CORPUS = [
    "Explain quantum computing to someone who computes with qubits and numbers.",
    "Hello world! The quick brown fox jumps over the lazy dog.",
    "def main():\n    return 42\n",
    "분산 추론은 여러 노드가 함께 답하는 일이다.",
    "مرحبا، كيف الحال؟",
]
TEXTS = [
    "Explain quantum computing", "", " ", "Hello world!",
    "  two  spaces\tand\ttabs\n\nnewlines ", "분산 추론",
    "naïve café — “quotes” … 🙂👩\u200d👩\u200d👧", "(a|b)[c] .,!?…。，、।۔، ]x[ )y(",
    "def main():\n    return 42\n", "مرحبا، كيف الحال؟", "x" * 300, "\0\u200b\ufeffz",
    "I'm don't we'll 3.14 1,000",
]
MODELS = [
    dict(name="tiny-f16", seed=20, layers=24, hidden=64, heads=4, vocabulary=512,
         dtype=torch.float16, split=12, spelling="hidden_size"),
    dict(name="odd-f32-sharded", seed=27, layers=24, hidden=48, heads=6, vocabulary=320,
         dtype=torch.float32, split=12, spelling="n_embed", shards=3),
    dict(name="post-layernorm-bf16", seed=53, layers=4, hidden=48, heads=3, vocabulary=320,
         dtype=torch.bfloat16, split=1, spelling="n_embed", after_norm=True),
    # An LM head of its own, and a generation_config.json.
    dict(name="untied-f16", seed=71, layers=3, hidden=32, heads=4, vocabulary=320,
         dtype=torch.float16, split=1, spelling="hidden_size", untied=True,
         generation=dict(bos_token_id=1, eos_token_id=[2, 0], pad_token_id=320, do_sample=False,
                         temperature=0.5, top_k=20, top_p=0.8, repetition_penalty=1.1)),
]


def make_tokenizer(vocabulary):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=SPECIALS, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def make_model(spec):
    """A model whose every weight, biases and norms too, differs from its initial value."""
    torch.manual_seed(spec["seed"])
    model = BloomForCausalLM(BloomConfig(
        vocab_size=spec["vocabulary"], hidden_size=spec["hidden"], n_layer=spec["layers"],
        n_head=spec["heads"], hidden_dropout=0.0, attention_dropout=0.0,
        tie_word_embeddings=not spec.get("untied", False),
        apply_residual_connection_post_layernorm=spec.get("after_norm", False)))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "layernorm" in name or "ln_f" in name:
                weight.copy_(torch.randn_like(weight) * 0.1 + (1.0 if name.endswith("weight") else 0.0))
            elif name.endswith("bias"):
                weight.copy_(torch.randn_like(weight) * 0.1)
            elif "word_embeddings" in name or "lm_head" in name:
                weight.copy_(torch.randn_like(weight))
            else:
                weight.copy_(torch.randn_like(weight) * 0.5 / weight.shape[1] ** 0.5)
            weight.copy_(weight.to(spec["dtype"]).float())
    return model.float().eval()


def run_blocks(model, states, blocks):
    """Sends [batch, tokens, hidden] through some blocks, by transformers' own block code."""
    transformer = model.transformer
    batch, tokens, _ = states.shape
    visible = torch.ones(batch, tokens, dtype=torch.long)
    alibi = transformer.build_alibi_tensor(visible, transformer.num_heads, dtype=states.dtype)
    hidden = torch.full((tokens, tokens), torch.finfo(states.dtype).min).triu(1)
    mask = hidden.expand(batch, 1, tokens, tokens)
    for index in blocks:
        states = transformer.h[index](states, alibi=alibi, attention_mask=mask)[0]
    return states


def embed(model, ids):
    return model.transformer.word_embeddings_layernorm(model.transformer.word_embeddings(ids))


def gradient(model, states, blocks):
    states = states.detach().clone().requires_grad_(True)
    output = run_blocks(model, states, blocks)
    upstream = torch.randn_like(output)
    output.backward(upstream)
    return upstream[0], states.grad[0]


def generate(model, ids, count):
    """Pure argmax, never stopping, with the whole sequence computed anew for each token."""
    ids = ids.clone()
    with torch.no_grad():
        for _ in range(count):
            following = model(ids).logits[0, -1].argmax()
            ids = torch.cat([ids, following.view(1, 1)], dim=1)
    return ids[0, -count:]


def expected(model, spec):
    tensors, cases = {}, []
    first, second = range(spec["split"]), range(spec["split"], spec["layers"])
    for number, tokens in enumerate([1, 2, 7, 33]):
        name = f"case{number}"
        ids = torch.randint(4, spec["vocabulary"], (1, tokens))
        with torch.no_grad():
            embedded = embed(model, ids)
            middle = run_blocks(model, embedded, first)
            last = run_blocks(model, middle, second)
            logits = model.lm_head(model.transformer.ln_f(last))
            # The blocks one by one must be the model as a whole.
            torch.testing.assert_close(logits, model(ids).logits, rtol=1e-4, atol=1e-4)
        values = dict(input_ids=ids[0], embeddings=embedded[0], after_first_shard=middle[0],
                      after_second_shard=last[0], logits=logits[0],
                      generated_ids=generate(model, ids, 12))
        for shard, states, blocks in [("first", embedded, first), ("second", middle, second)]:
            upstream, grad = gradient(model, states, blocks)
            values[f"{shard}_shard.grad_output"] = upstream
            values[f"{shard}_shard.grad_input"] = grad
        tensors |= {f"{name}.{key}": value.detach().contiguous() for key, value in values.items()}
        cases.append(dict(name=name, tokens=tokens, split=spec["split"]))
    ids = torch.randint(4, spec["vocabulary"], (3, 9))
    with torch.no_grad():
        tensors["batch.input_ids"] = ids
        tensors["batch.after_first_shard"] = run_blocks(model, embed(model, ids), first).contiguous()
    return tensors, cases


def write_weights(model, spec, out):
    state = {name: value.to(spec["dtype"]).contiguous()
             for name, value in model.state_dict().items()
             if name != "lm_head.weight" or spec.get("untied", False)}
    if "shards" not in spec:
        # One file in the spelling without the prefix.
        plain = {name.removeprefix("transformer."): value for name, value in state.items()}
        save_file(plain, out / "model.safetensors", metadata={"format": "pt"})
        return
    count, where = spec["shards"], {}
    for shard in range(count):
        file = f"model-{shard + 1:05}-of-{count:05}.safetensors"
        part = {name: state[name] for name in sorted(state)[shard::count]}
        save_file(part, out / file, metadata={"format": "pt"})
        where |= {name: file for name in part}
    total = sum(value.numel() * value.element_size() for value in state.values())
    index = dict(metadata=dict(total_size=total), weight_map=dict(sorted(where.items())))
    (out / "model.safetensors.index.json").write_text(json.dumps(index, indent=2))


def write_configuration(spec, out):
    config = dict(
        architectures=["BloomForCausalLM"], model_type="bloom", vocab_size=spec["vocabulary"],
        n_layer=spec["layers"], n_head=spec["heads"], layer_norm_epsilon=1e-5,
        apply_residual_connection_post_layernorm=spec.get("after_norm", False),
        bos_token_id=1, eos_token_id=2, pad_token_id=3, unk_token_id=0, seq_length=2048,
        torch_dtype=str(spec["dtype"]).removeprefix("torch."), hidden_dropout=0.0,
        attention_dropout=0.0)
    config[spec["spelling"]] = spec["hidden"]
    if spec.get("untied", False):
        config["tie_word_embeddings"] = False
    if "generation" in spec:
        (out / "generation_config.json").write_text(json.dumps(spec["generation"], indent=2))
    (out / "config.json").write_text(json.dumps(config, indent=2))


def write_tokenizer(spec, out):
    tokenizer = make_tokenizer(spec["vocabulary"])
    tokenizer.save(str(out / "tokenizer.json"))
    cases = []
    for text in TEXTS:
        ids = tokenizer.encode(text).ids
        cases.append(dict(text=text, ids=ids,
                          decoded=tokenizer.decode(ids, skip_special_tokens=False)))
    (out / "tokenizer_cases.json").write_text(json.dumps(cases, indent=1, ensure_ascii=False))


def main(root, names):
    for spec in MODELS:
        if names and spec["name"] not in names:
            continue
        out = root / spec["name"]
        out.mkdir(parents=True, exist_ok=True)
        model = make_model(spec)
        tensors, cases = expected(model, spec)
        save_file(tensors, out / "expected.safetensors")
        (out / "expected.json").write_text(json.dumps(dict(
            seed=spec["seed"], cases=cases,
            tolerance="relative to max |expected|: 2e-4 in f32"), indent=1))
        write_weights(model, spec, out)
        write_configuration(spec, out)
        write_tokenizer(spec, out)
        print(out)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), sys.argv[2:])
