#!/usr/bin/env python3
"""Adds to Tests/TestVectors/torch-archives.json what `torch.save` writes, by the installed PyTorch.

Run it once in an environment of each version (the file was made with 2.2.2 and 2.15.0); the
archives of other versions stay. Each line of the file is one archive: the version, a name, the archive
in base64 and, where it is that of a contiguous bfloat16 tensor on the CPU, its shape and the bits of
its elements in hexadecimal; the others have to be refused.
"""

import base64
import io
import json
import pathlib

import torch

FILE = pathlib.Path(__file__).resolve().parent.parent / "torch-archives.json"


def numbers(*shape, dtype=torch.bfloat16):
    """Numbers of many sizes and both signs, zeros and the least and greatest of their kind."""
    generator = torch.Generator().manual_seed(7)
    values = torch.randn(shape, generator=generator) * 10 ** torch.linspace(-6, 6, shape[-1])
    flat = values.view(-1)
    flat[0], flat[-1] = -0.0, 3.3895313892515355e38
    return values.to(dtype)


def tensors():
    """Name, object, and whether it is to be read."""
    yield "one", torch.tensor([[[1.5]]], dtype=torch.bfloat16), True
    yield "vector", numbers(5), True
    yield "matrix", numbers(3, 7), True
    yield "batch", numbers(1, 3, 16), True
    yield "wide", numbers(1, 2, 300), True
    yield "with gradient", numbers(2, 3).requires_grad_(), True
    yield "slice", numbers(1, 6, 4)[:, 2:4, :], True
    yield "any stride of one index", numbers(4, 1, 8).transpose(0, 1), True
    yield "float32", numbers(2, 3, dtype=torch.float32), False
    yield "float16", torch.ones(2, 3, dtype=torch.float16), False
    yield "transposed", numbers(2, 3).t(), False
    yield "every second", numbers(2, 6)[:, ::2], False
    yield "expanded", numbers(1, 3).expand(2, 3), False
    yield "scalar", torch.tensor(1.5, dtype=torch.bfloat16), False
    yield "four dimensions", numbers(1, 2, 3, 4), False
    yield "empty", torch.zeros(0, 4, dtype=torch.bfloat16), False
    yield "parameter", torch.nn.Parameter(numbers(2, 3)), False
    yield "list", [numbers(2, 3)], False
    yield "dictionary", {"hidden_states": numbers(2, 3)}, False
    yield "sparse", torch.ones(2, 2).bfloat16().to_sparse(), False
    yield "meta", torch.zeros(2, 3, dtype=torch.bfloat16, device="meta"), False
    yield "number", 5, False


def archives():
    version = torch.__version__.split("+")[0]
    for name, value, is_read in tensors():
        buffer = io.BytesIO()
        torch.save(value, buffer)
        line = {"torch": version, "name": name}
        if is_read:
            bits = value.detach().contiguous().view(torch.int16).flatten().tolist()
            line["shape"] = list(value.shape)
            line["bits"] = "".join(f"{number & 0xFFFF:04x}" for number in bits)
        line["archive"] = base64.b64encode(buffer.getvalue()).decode()
        yield line
    buffer = io.BytesIO()
    torch.save(numbers(2, 3), buffer, _use_new_zipfile_serialization=False)
    yield {"torch": version, "name": "before ZIP",
           "archive": base64.b64encode(buffer.getvalue()).decode()}


def main():
    new = list(archives())
    old = json.loads(FILE.read_text()) if FILE.exists() else []
    lines = [line for line in old if line["torch"] != new[0]["torch"]] + new
    lines.sort(key=lambda line: [int(part) for part in line["torch"].split(".")])
    text = ",\n".join(json.dumps(line) for line in lines)
    FILE.write_text(f"[\n{text}\n]\n")
    print(f"{FILE.name}: {len(new)} archives of {new[0]['torch']}, {len(lines)} in all")


if __name__ == "__main__":
    main()
