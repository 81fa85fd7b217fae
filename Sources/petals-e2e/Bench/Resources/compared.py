"""Another program's rates of one checkpoint, for `petals-e2e bench --beside`.

    python3 -c "$(cat compared.py)" torch|llama.cpp MODEL TYPE THREADS FOLDER

Writes a line `{"ready": NAME}`; then, for each line `prefill N`, `decode PROMPT NEW` or
`sessions COUNT NEW` that it reads, `{"rate": TOKENS A SECOND}`. A line `{"refused": WHY}` ends it.
FOLDER is for files of its own.
"""

import ctypes
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import re
import struct
import sys
import time


def prompt(length, vocabulary):
    return [4 + i * 37 % (vocabulary - 4) for i in range(length)]


def refuse(why):
    print(json.dumps({"refused": why}), flush=True)
    sys.exit(0)


class Safetensors:
    """The checkpoint's tensors as arrays; bf16 and 8-bit weights as floats."""

    def __init__(self, path):
        import numpy

        self.numpy = numpy
        self.bytes = numpy.memmap(path, mode="r")
        (length,) = struct.unpack("<Q", self.bytes[:8].tobytes())
        self.header = json.loads(self.bytes[8 : 8 + length].tobytes())
        self.header.pop("__metadata__", None)
        self.start = 8 + length

    def names(self):
        return [name for name in self.header if not name.endswith("_scale")]

    def array(self, name):
        numpy, entry = self.numpy, self.header[name]
        first, end = entry["data_offsets"]
        kinds = {"F32": "<f4", "F16": "<f2", "BF16": "<u2", "I8": "i1"}
        array = numpy.frombuffer(
            self.bytes[self.start + first : self.start + end].tobytes(), kinds[entry["dtype"]]
        ).reshape(entry["shape"])
        if entry["dtype"] == "BF16":
            return (array.astype(numpy.uint32) << 16).view(numpy.float32)
        if entry["dtype"] == "I8":
            scales = numpy.repeat(self.array(name + "_scale"), 64, axis=1)
            return array.astype(numpy.float32) * scales[:, : array.shape[1]]
        return array


class Torch:
    def __init__(self, model, kind, threads, folder):
        if kind == "q8":
            refuse("torch has no 8-bit weights of this kind")
        import torch
        import transformers

        self.torch = torch
        torch.set_num_threads(threads)
        dtype = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}[kind]
        self.name = f"torch {torch.__version__}"
        self.model = transformers.BloomForCausalLM.from_pretrained(model, dtype=dtype).eval()
        self.vocabulary = self.model.config.vocab_size

    def step(self, rows, cache):
        with self.torch.inference_mode():
            out = self.model(
                self.torch.tensor(rows), past_key_values=cache, use_cache=True, logits_to_keep=1
            )
        return [[int(row[-1].argmax())] for row in out.logits], out.past_key_values

    def prefill(self, length):
        self.step([prompt(length, self.vocabulary)], None)
        return length

    def generate(self, prompts):
        rows, cache = self.step(prompts, None)
        while True:
            yield
            rows, cache = self.step(rows, cache)


class Batch(ctypes.Structure):
    """llama.cpp's `llama_batch`."""

    _fields_ = [
        ("n_tokens", ctypes.c_int32),
        ("token", ctypes.POINTER(ctypes.c_int32)),
        ("embd", ctypes.POINTER(ctypes.c_float)),
        ("pos", ctypes.POINTER(ctypes.c_int32)),
        ("n_seq_id", ctypes.POINTER(ctypes.c_int32)),
        ("seq_id", ctypes.POINTER(ctypes.POINTER(ctypes.c_int32))),
        ("logits", ctypes.POINTER(ctypes.c_int8)),
    ]


class Parameters(ctypes.Structure):
    """llama.cpp's parameters: what is changed here stands at the beginning, the rest is passed on."""

    _fields_ = [
        ("n_ctx", ctypes.c_uint32),
        ("n_batch", ctypes.c_uint32),
        ("n_ubatch", ctypes.c_uint32),
        ("n_seq_max", ctypes.c_uint32),
        ("rest", ctypes.c_char * 1008),
    ]


class LlamaCPP:
    """llama.cpp's C interface, of whichever of these packages is there."""

    SEQUENCES = 16

    def __init__(self, model, kind, threads, folder):
        library, package = self.find()
        self.library = ctypes.CDLL(str(library))
        path = pathlib.Path(folder) / f"{kind}.gguf"
        write_gguf(pathlib.Path(model), path, kind)
        self.silence = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(
            lambda level, text, data: None
        )
        self.call("llama_log_set", None, self.silence, None)
        self.call("llama_backend_init", None)
        handle = self.call(
            "llama_model_load_from_file", ctypes.c_void_p, str(path).encode(),
            self.call("llama_model_default_params", Parameters),
        )
        if not handle:
            refuse(f"llama.cpp cannot load {path}")
        parameters = self.call("llama_context_default_params", Parameters)
        parameters.n_ctx = 256 * self.SEQUENCES
        parameters.n_seq_max = self.SEQUENCES
        self.context = ctypes.c_void_p(
            self.call("llama_init_from_model", ctypes.c_void_p, ctypes.c_void_p(handle), parameters)
        )
        if self.call("llama_n_seq_max", ctypes.c_uint32, self.context) != self.SEQUENCES:
            refuse("this llama.cpp has other parameters than those that are known here")
        count = ctypes.c_int32(threads)
        self.call("llama_set_n_threads", None, self.context, count, count)
        vocabulary = self.call("llama_model_get_vocab", ctypes.c_void_p, ctypes.c_void_p(handle))
        self.vocabulary = self.call(
            "llama_vocab_n_tokens", ctypes.c_int32, ctypes.c_void_p(vocabulary)
        )
        # What it was compiled for decides how far its figures may be compared.
        about = self.call("llama_print_system_info", ctypes.c_char_p).decode()
        sets = re.findall(r"(AVX\w*|AMX\w*|NEON) = 1", about)
        self.name = f"llama.cpp ({package}, {' '.join(sets)})"

    @staticmethod
    def find():
        packages = (
            ("llama_cpp", "llama-cpp-python", "lib/libllama.*"),
            ("xllamacpp", "xllamacpp", "xllamacpp*.so"),
        )
        for module, package, pattern in packages:
            spec = importlib.util.find_spec(module)
            for library in pathlib.Path(spec.origin).parent.glob(pattern) if spec else ():
                return library, f"{package} {importlib.metadata.version(package)}"
        raise ImportError("neither llama-cpp-python nor xllamacpp is installed")

    def call(self, name, result, *arguments):
        function = getattr(self.library, name)
        function.restype = result
        return function(*arguments)

    def evaluate(self, tokens, positions, sequences, scored):
        count = len(tokens)
        whole = ctypes.c_int32 * count
        own = [(ctypes.c_int32 * 1)(s) for s in sequences]
        pointers = (ctypes.POINTER(ctypes.c_int32) * count)(
            *(ctypes.cast(s, ctypes.POINTER(ctypes.c_int32)) for s in own)
        )
        batch = Batch(
            count, whole(*tokens), None, whole(*positions), whole(*([1] * count)), pointers,
            (ctypes.c_int8 * count)(*(1 if i in scored else 0 for i in range(count))),
        )
        if self.call("llama_decode", ctypes.c_int32, self.context, batch) != 0:
            raise RuntimeError("llama.cpp cannot decode")
        # The scores are there when they are asked for.
        for i in scored:
            self.call("llama_get_logits_ith", ctypes.c_void_p, self.context, ctypes.c_int32(i))

    def reset(self):
        memory = self.call("llama_get_memory", ctypes.c_void_p, self.context)
        self.call("llama_memory_clear", None, ctypes.c_void_p(memory), ctypes.c_bool(True))

    def prefill(self, length):
        self.reset()
        self.evaluate(prompt(length, self.vocabulary), range(length), [0] * length, {length - 1})
        return length

    def generate(self, prompts):
        self.reset()
        length, count = len(prompts[0]), len(prompts)
        everything = [token for tokens in prompts for token in tokens]
        self.evaluate(
            everything, [i for _ in prompts for i in range(length)],
            [s for s in range(count) for _ in range(length)],
            {(s + 1) * length - 1 for s in range(count)},
        )
        position = length
        while True:
            yield
            self.evaluate(
                [4 + position] * count, [position] * count, range(count), set(range(count))
            )
            position += 1


def write_gguf(model, path, kind):
    """The checkpoint under llama.cpp's names; its rows of queries, keys and values are all queries
    first, then all keys, then all values. Without a vocabulary, since only time is measured."""
    import gguf
    import numpy

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
    packed = {"q8": gguf.GGMLQuantizationType.Q8_0, "bf16": gguf.GGMLQuantizationType.BF16}.get(kind)

    def add(name, array):
        matrix = array.ndim == 2
        if matrix and packed is not None:
            data = gguf.quants.quantize(numpy.ascontiguousarray(array, numpy.float32), packed)
            writer.add_tensor(name, data, raw_dtype=packed)
        else:
            writer.add_tensor(
                name, array.astype(numpy.float16 if matrix and kind == "f16" else numpy.float32)
            )

    file = Safetensors(model / "model.safetensors")
    for key in file.names():
        array = file.array(key)
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


def rate(peer, words):
    name, *numbers = words
    numbers = [int(n) for n in numbers]
    if name == "prefill":
        began = time.perf_counter()
        return peer.prefill(numbers[0]) / (time.perf_counter() - began)
    if name == "decode":
        # The first token comes with the prompt, before the time begins.
        steps = peer.generate([prompt(numbers[0], peer.vocabulary)])
        next(steps)
        began = time.perf_counter()
        for _ in range(numbers[1] - 1):
            next(steps)
        return (numbers[1] - 1) / (time.perf_counter() - began)
    if name == "sessions":
        began = time.perf_counter()
        steps = peer.generate([[4 + session] for session in range(numbers[0])])
        for _ in range(numbers[1]):
            next(steps)
        return numbers[0] * numbers[1] / (time.perf_counter() - began)
    raise ValueError(f"unknown: {name}")


def main():
    name, model, kind, threads, folder = sys.argv[1:]
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # What libraries print is no answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.stdout = answers
    kinds = {"torch": Torch, "llama.cpp": LlamaCPP}
    try:
        peer = kinds[name](model, kind, int(threads), folder)
    except (ImportError, OSError, AttributeError) as error:
        refuse(str(error))
    print(json.dumps({"ready": peer.name}), flush=True)
    for line in sys.stdin:
        print(json.dumps({"rate": rate(peer, line.split())}), flush=True)


main()
