#!/usr/bin/env python3
"""Writes Tests/PetalsNodeTests/LaxNumberTable.swift: how pydantic's lax mode reads numbers.

Needs pydantic 2 (the table was made with 2.13.4). A body is read as FastAPI reads it: by the json
module, then by a model with the limits of the generation API.
"""

import itertools
import json
import pathlib
import random

import pydantic


class Parameters(pydantic.BaseModel):
    """The numbers of the API, and a float without limits, which shows what every text is read as."""

    max_new_tokens: int = pydantic.Field(128, ge=1, le=4096)
    temperature: float = pydantic.Field(0.7, ge=0, le=2)
    top_p: float = pydantic.Field(0.9, ge=0, le=1)
    repetition_penalty: float = pydantic.Field(1.2, ge=1, le=2)


NUMBERS = (
    "5 -5 0 -0 1 4096 4097 2.0 2.5 1e0 1e2 1.0e2 1E+2 20e-1 4096.0 4096.00000000000001 0.5 1.5 "
    "1e400 -1e400 1e-400 9223372036854775807 9223372036854775808 -9223372036854775809 1e19 -0.0 "
    "1.0000000000000000000001 1e308 1.7976931348623157e308 3e-308 4095.5 4096.5 0.9999999999999999"
).split() + [str(sign * (2**power + step)) for power in (8, 16, 31, 32, 52, 53, 63, 64, 128, 256)
             for step in (-1, 0, 1) for sign in (1, -1)]
OTHERS = ["true", "false", "[]", "{}", "[5]"]
TEXTS = """5 -5 +5 0 -0 1_0 1__0 _10 10_ 1_0_0 05 00 0_1 0x10 0b1 1e2 1e0 2.0 2. 2.00 2.5 .5 5. 1.0e2
1_0.0 1.0_0 1_0.5 nan NaN +nan -nan inf Infinity -inf +inf infinity INF infinit true 1,000 --5 +-5
4097 9223372036854775808 1e400 1e-400 1.5 1_5e-1 0x1p0 1e e5 . 1.e0 .5e1 5.0000 5.0_0 +0005 -0.0
1_000 1.0000000000000000000001 1e1_0 1_e1 1._5 4_096 __5 5__ +_5 -_5 0__1 0_ 0_.0 0.0 00.0 4096.0
4_096.00 1.5e0 +1.5 -1.5 1e+0 1e-0 1E0 1e0_0 n an nan_ in_f 1.2.3 1..0 ٥ ５ ½ ²""".split()
SPACES = ["", " ", " 5", "5 ", " 5 ", "\n5\t", "\u00a05", "\u20035", "\u001c5", "\u200b5", "5\0",
          " 1.5 ", "5.0 ", "- 5", "1 0", "\u00855", "\u30005", "\u000b5\u000c", "\r\n1\r\n", "\ufeff5"]


def texts():
    """The texts that were thought of, then random ones of the characters that mean something."""
    yield from TEXTS + SPACES
    dice = random.Random(1)
    for _ in range(150):
        yield "".join(dice.choice("015_+-.e ") for _ in range(dice.randint(1, 5)))
    for length in range(1, 4):
        for letters in itertools.product("1_.", repeat=length):
            yield "".join(letters)


def outcome(field, value):
    try:
        return repr(float(getattr(Parameters.model_validate({field: value}), field)))
    except pydantic.ValidationError:
        return None


def literal(text):
    return '#"' + text + '"#'


def main():
    rows = NUMBERS + OTHERS + [json.dumps(text) for text in dict.fromkeys(texts())]
    # Pydantic reads "0-5" as -5 and then refuses it by its limit: here it is no number at all.
    lines = []
    for row in dict.fromkeys(rows):
        value = json.loads(row)
        cells = [outcome(field, value) or "nil" for field in Parameters.model_fields]
        lines.append(f"    ({literal(row)}, {', '.join(cells)}),")
    root = pathlib.Path(__file__).resolve().parents[3]
    (root / "Tests/PetalsNodeTests/LaxNumberTable.swift").write_text(
        "// Made by Tests/TestVectors/Scripts/lax_numbers.py with pydantic "
        f"{pydantic.VERSION}: do not edit.\n\n"
        "/// JSON values, and what each is read as in the fields of the generation API; nil where it\n"
        "/// is refused.\n"
        "enum LaxNumberTable {\n"
        "  typealias Row = (\n"
        "    json: String, maximumNewTokens: Double?, temperature: Double?, topP: Double?,\n"
        "    repetitionPenalty: Double?\n"
        "  )\n\n"
        "  // swift-format-ignore\n"
        "  static let rows: [Row] = [\n" + "\n".join(lines) + "\n  ]\n}\n")
    print(len(lines), "rows")


if __name__ == "__main__":
    main()
