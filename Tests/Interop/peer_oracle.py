#!/usr/bin/env python3
"""An oracle of the documented dialect on FastAPI, uvicorn and coincurve: what ours is measured beside.

    python3 -m venv .venv
    .venv/bin/pip install fastapi uvicorn uvloop httptools coincurve pycryptodome
    .venv/bin/uvicorn --app-dir Tests/Interop peer_oracle:app --port 8000 --no-access-log &
    petals-e2e bench --only oracle --oracle-peer http://127.0.0.1:8000

It checks what must be checked (form, signature, replay) and keeps what it took in memory.
"""

import json

from coincurve import PublicKey
from Crypto.Hash import keccak
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

app = FastAPI()
last = {}
reports = {}

INTEGERS = ("processed_tokens", "uptime_seconds", "tasks_completed", "timestamp")


def keccak256(data):
    return keccak.new(digest_bits=256, data=data).digest()


def recover(text, signature):
    raw = bytes.fromhex(signature[2:])
    message = text.encode()
    digest = keccak256(b"\x19Ethereum Signed Message:\n%d" % len(message) + message)
    v = raw[64] - 27 if raw[64] >= 27 else raw[64]
    key = PublicKey.from_signature_and_message(raw[:64] + bytes([v]), digest, hasher=None)
    return "0x" + keccak256(key.format(compressed=False)[1:])[12:].hex()


def refuse(status, message):
    return JSONResponse({"status": "error", "message": message}, status_code=status)


@app.post("/api/v1/report")
async def report(request: Request):
    try:
        # Numbers stay texts: what is signed is how they stand in the body.
        body = json.loads(await request.body(), parse_float=Number, parse_int=Number)
        payload, signature = body["payload"], body["signature"]
        agent = payload["agent"]
        values = {name: int(payload[name].text) for name in INTEGERS}
        latency = float(payload["avg_latency_ms"].text)
    except ValueError:
        return refuse(400, "malformed")
    except (KeyError, TypeError, AttributeError):
        return refuse(422, "invalid")
    if latency < 0 or min(values.values()) < 0:
        return refuse(422, "invalid")
    try:
        signer = recover(canonical(payload), signature)
    except Exception:
        return refuse(401, "signature")
    if signer != agent.lower():
        return refuse(401, "signature")
    if values["timestamp"] <= last.get(signer, 0):
        return refuse(409, "replay")
    last[signer] = values["timestamp"]
    reports.setdefault(signer, []).append(values)
    del reports[signer][:-1000]
    return {"status": "success", "message": "Report received"}


class Number:
    __slots__ = ("text",)

    def __init__(self, text):
        self.text = text


def canonical(value):
    if isinstance(value, Number):
        return value.text
    if isinstance(value, dict):
        members = (json.dumps(key) + ":" + canonical(value[key]) for key in sorted(value))
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    return json.dumps(value)
