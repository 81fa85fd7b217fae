#!/usr/bin/env python3
"""Decoding and prefill of one checkpoint by petals-e2e, by torch and by llama.cpp, in one run.

    python3 -m venv .venv && .venv/bin/pip install torch transformers
    .venv/bin/pip install xllamacpp gguf safetensors     # optional: llama.cpp, compiled
    make build
    .build/release/petals-e2e model synthesize --shape bloom-560m --out bloom-f16
    .venv/bin/python Tests/Interop/torch_bench.py .build/release/petals-e2e bloom-f16

The contenders take turns, so that what else the machine does meets all of them; each figure is the
median of the rounds. `--gguf FILE` writes the checkpoint's weights for llama.cpp (f16 or q8_0, by
`--gguf-type`) and measures it; the vocabulary is left empty, since only time is measured.
"""

import argparse
import ctypes
import json
import os
import pathlib
import statistics
import subprocess
import time

PROMPT = 128
SHORT = 8
NEW = 32


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", help="petals-e2e, a release build")
    parser.add_argument("model", type=pathlib.Path, help="a checkpoint's folder")
    parser.add_argument("--dtype", default="float16", help="torch's: float16, bfloat16 or float32")
    parser.add_argument("--no-torch", action="store_true", help="leave torch out")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--gguf", type=pathlib.Path, help="the file for llama.cpp")
    parser.add_argument("--gguf-type", default="f16", choices=["f16", "q8_0"])
    return parser.parse_args()


def prompt(length, vocabulary):
    return [4 + i * 37 % (vocabulary - 4) for i in range(length)]


class Ours:
    """The command measures itself; a process for each round."""

    name = "petals-e2e"

    def __init__(self, options):
        self.line = [options.command, "bench", "--only", "inference", "--json", "--runs", "1"]
        self.line += ["--model", str(options.model)]

    def round(self):
        rows = json.loads(subprocess.run(self.line, check=True, capture_output=True).stdout)["rows"]
        found = {row["name"].split(": ")[-1]: row["median"] for row in rows}
        return {
            "prefill": found[f"prefill of {PROMPT}"],
            "decode": found["decode"],
            "bandwidth": found["read bandwidth of all cores, same run"],
        }


class Torch:
    def __init__(self, options):
        import torch
        import transformers

        self.torch = torch
        torch.set_num_threads(options.threads)
        self.name = f"torch {torch.__version__} {options.dtype}"
        self.model = transformers.BloomForCausalLM.from_pretrained(
            options.model, dtype=getattr(torch, options.dtype)
        ).eval()
        self.vocabulary = self.model.config.vocab_size

    def step(self, ids, cache):
        with self.torch.inference_mode():
            out = self.model(
                self.torch.tensor([ids]), past_key_values=cache, use_cache=True, logits_to_keep=1
            )
        return int(out.logits[0, -1].argmax()), out.past_key_values

    def round(self):
        began = time.perf_counter()
        self.step(prompt(PROMPT, self.vocabulary), None)
        prefill = PROMPT / (time.perf_counter() - began)
        token, cache = self.step(prompt(SHORT, self.vocabulary), None)
        began = time.perf_counter()
        for _ in range(NEW):
            token, cache = self.step([token], cache)
        return {"prefill": prefill, "decode": NEW / (time.perf_counter() - began)}


class LlamaCPP:
    """llama.cpp's C interface, as the package xllamacpp exports it (PyPI has it compiled).

    Its parameters are taken as they come and passed on: their layout changes from version to version,
    and nothing of them is changed here.
    """

    class Opaque(ctypes.Structure):
        _fields_ = [("bytes", ctypes.c_char * 1024)]

    def __init__(self, options):
        import xllamacpp

        library = next(pathlib.Path(xllamacpp.__file__).parent.glob("xllamacpp*.so"))
        self.library = ctypes.CDLL(str(library))
        if not options.gguf.exists():
            write_gguf(options.model, options.gguf, options.gguf_type)
        # Which instruction sets it was compiled for decides how far the figures may be compared.
        print(xllamacpp.get_system_info())
        self.name = f"llama.cpp (xllamacpp {xllamacpp.__version__}) {options.gguf_type}"
        self.call("llama_backend_init", None)
        model = self.call(
            "llama_model_load_from_file", ctypes.c_void_p, str(options.gguf).encode(),
            self.call("llama_model_default_params", self.Opaque),
        )
        if not model:
            raise SystemExit(f"llama.cpp cannot load {options.gguf}")
        self.context = ctypes.c_void_p(
            self.call(
                "llama_init_from_model", ctypes.c_void_p, ctypes.c_void_p(model),
                self.call("llama_context_default_params", self.Opaque),
            )
        )
        threads = ctypes.c_int32(options.threads)
        self.call("llama_set_n_threads", None, self.context, threads, threads)
        vocabulary = self.call("llama_model_get_vocab", ctypes.c_void_p, ctypes.c_void_p(model))
        self.vocabulary = self.call(
            "llama_vocab_n_tokens", ctypes.c_int32, ctypes.c_void_p(vocabulary)
        )

    def call(self, name, result, *arguments):
        function = getattr(self.library, name)
        function.restype = result
        return function(*arguments)

    def evaluate(self, tokens):
        array = (ctypes.c_int32 * len(tokens))(*tokens)
        batch = self.call("llama_batch_get_one", self.Opaque, array, ctypes.c_int32(len(tokens)))
        if self.call("llama_decode", ctypes.c_int32, self.context, batch) != 0:
            raise SystemExit("llama.cpp cannot decode")
        # The scores are there when they are asked for.
        self.call("llama_get_logits_ith", ctypes.c_void_p, self.context, ctypes.c_int32(-1))

    def reset(self):
        memory = self.call("llama_get_memory", ctypes.c_void_p, self.context)
        self.call("llama_memory_clear", None, ctypes.c_void_p(memory), ctypes.c_bool(True))

    def round(self):
        self.reset()
        began = time.perf_counter()
        self.evaluate(prompt(PROMPT, self.vocabulary))
        prefill = PROMPT / (time.perf_counter() - began)
        self.reset()
        self.evaluate(prompt(SHORT, self.vocabulary))
        began = time.perf_counter()
        for token in prompt(NEW, self.vocabulary):
            self.evaluate([token])
        return {"prefill": prefill, "decode": NEW / (time.perf_counter() - began)}


def write_gguf(model, path, kind):
    """The checkpoint under llama.cpp's names; its rows of queries, keys and values are all queries
    first, then all keys, then all values."""
    import gguf
    import numpy
    from safetensors import safe_open

    config = json.loads((model / "config.json").read_text())
    hidden, heads, layers = config["hidden_size"], config["n_head"], config["n_layer"]
    writer = gguf.GGUFWriter(str(path), "bloom")
    writer.add_context_length(config.get("seq_length", 2048))
    writer.add_embedding_length(hidden)
    writer.add_feed_forward_length(4 * hidden)
    writer.add_block_count(layers)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads)
    writer.add_layer_norm_eps(config.get("layer_norm_epsilon", 1e-5))
    writer.add_tokenizer_model("no_vocab")
    writer.add_vocab_size(config["vocab_size"])
    names = {
        "word_embeddings": "token_embd",
        "word_embeddings_layernorm": "token_embd_norm",
        "ln_f": "output_norm",
        "input_layernorm": "attn_norm",
        "self_attention.query_key_value": "attn_qkv",
        "self_attention.dense": "attn_output",
        "post_attention_layernorm": "ffn_norm",
        "mlp.dense_h_to_4h": "ffn_up",
        "mlp.dense_4h_to_h": "ffn_down",
    }

    def add(name, array):
        matrix = array.ndim == 2
        if matrix and kind == "q8_0":
            quantized = gguf.quants.quantize(
                array.astype(numpy.float32), gguf.GGMLQuantizationType.Q8_0
            )
            writer.add_tensor(name, quantized, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
        else:
            writer.add_tensor(name, array.astype(numpy.float16 if matrix else numpy.float32))

    with safe_open(model / "model.safetensors", "np") as file:
        for key in file.keys():
            array = file.get_tensor(key)
            stem, kind_of = key.removeprefix("transformer.").rsplit(".", 1)
            if stem.startswith("h."):
                _, block, stem = stem.split(".", 2)
                target = f"blk.{block}.{names[stem]}.{kind_of}"
            else:
                target = f"{names[stem]}.{kind_of}"
            if "query_key_value" in key:
                array = array.reshape(heads, 3, hidden // heads, -1).swapaxes(0, 1)
                array = array.reshape(3 * hidden, -1) if kind_of == "weight" else array.reshape(-1)
            add(target, array)
            if key.endswith("word_embeddings.weight"):
                add("output.weight", array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    options = arguments()
    contenders = [Ours(options)]
    if not options.no_torch:
        contenders.append(Torch(options))
    if options.gguf:
        contenders.append(LlamaCPP(options))
    for contender in contenders:
        contender.round()
    rounds = [[contender.round() for contender in contenders] for _ in range(options.rounds)]
    for index, contender in enumerate(contenders):
        figures = [single[index] for single in rounds]
        text = ", ".join(
            f"{key} {statistics.median(f[key] for f in figures):.1f}"
            f" ({min(f[key] for f in figures):.1f}–{max(f[key] for f in figures):.1f})"
            for key in figures[0]
        )
        print(f"{contender.name}: {text}")


if __name__ == "__main__":
    main()
