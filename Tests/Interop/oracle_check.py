#!/usr/bin/env python3
"""A report signed by eth-account is taken by `petals-e2e oracle`; one changed byte is refused.

    python3 -m venv .venv && .venv/bin/pip install eth-account
    petals-e2e oracle --port 3100 &
    .venv/bin/python Tests/Interop/oracle_check.py http://127.0.0.1:3100
"""

import json
import sys
import time
import urllib.error
import urllib.request

from eth_account import Account
from eth_account.messages import encode_defunct


def post(url, body):
    """The status and the parsed answer."""
    request = urllib.request.Request(
        url + "/api/v1/report", body, {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def signed_report(account, tokens):
    payload = {
        "agent": account.address,
        "processed_tokens": tokens,
        "avg_latency_ms": 67.14,
        "uptime_seconds": 3600,
        "tasks_completed": 27,
        "timestamp": int(time.time()),
    }
    text = json.dumps(payload, sort_keys=True, separators=(",", ":"))
    signature = account.sign_message(encode_defunct(text=text)).signature.hex()
    signature = signature if signature.startswith("0x") else "0x" + signature
    return json.dumps({"payload": payload, "signature": signature}).encode()


def expect(what, found, wanted):
    print(f"{'ok  ' if found == wanted else 'FAIL'} {what}: {found}")
    if found != wanted:
        sys.exit(1)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    url = sys.argv[1].rstrip("/")
    body = signed_report(Account.create(), 428522)

    changed = body.replace(b"428522", b"428523")
    status, answer = post(url, changed)
    expect("one changed byte is refused", status, 401)
    expect("  with the documented shape", answer["status"], "error")

    status, answer = post(url, body)
    expect("the report as signed is taken", status, 200)
    expect("  with the documented answer", answer, {"status": "success", "message": "Report received"})

    status, _ = post(url, body)
    expect("the same report again is a replay", status, 409)


if __name__ == "__main__":
    main()
