"""Drivers that break the protocol: ``python bad.py MODE [METHOD]``. Each opens, and has nothing stored."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

ABOUT = {"protocol": 1, "name": "BadStore", "version": "1", "sdk": "none", "concurrent": False}


def say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def answer(number: object, result: object) -> None:
    say(json.dumps({"jsonrpc": "2.0", "id": number, "result": result}) + "\n")


def hang(number: int) -> None:
    time.sleep(600)


def hang_with_a_child(number: int) -> None:
    """The child holds the output open, whatever becomes of its parent."""
    subprocess.run(["sleep", "600"], check=False)


def never_end_the_line(number: int) -> None:
    say('{"jsonrpc"')
    time.sleep(600)


def die(number: int) -> None:
    sys.stderr.write("no such table: oauthtoken\n")
    sys.stderr.flush()
    os._exit(7)


def close_the_output(number: int) -> None:
    os.close(1)
    time.sleep(600)


def log(number: int) -> None:
    say("INFO looking for the token\n")
    answer(number, [])


def print_no_utf8(number: int) -> None:
    sys.stdout.buffer.write(b'{"jsonrpc": "2.0", "id": 1, "result": "\xff"}\n')
    sys.stdout.flush()


def answer_another_request(number: int) -> None:
    answer(number + 1, [])


def answer_neither(number: int) -> None:
    say(json.dumps({"jsonrpc": "2.0", "id": number}) + "\n")


def send_a_number(number: int) -> None:
    answer(number, [{"id": "1", "expires_in": 3600}])


def send_another_field(number: int) -> None:
    answer(number, [{"id": "1", "user_mail": "patricia@zylker.example"}])


def send_one_for_many(number: int) -> None:
    answer(number, {"id": "1"})


def fail_without_an_id(number: int) -> None:
    say(json.dumps({"jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": "no JSON"}}) + "\n")


def main(mode: Callable[[int], None] | None, method: str = "get_tokens") -> None:
    for line in sys.stdin:
        request: dict[str, Any] = json.loads(line)
        if request["method"] == "open":
            answer(request["id"], ABOUT | {"protocol": 1 if mode else 2})
            if mode is deaf:
                time.sleep(600)
        elif request["method"] == method and mode:
            mode(request["id"])
        else:
            answer(request["id"], [] if request["method"] == "get_tokens" else None)


def deaf(number: int) -> None:
    """Reads nothing after it was opened."""


main(globals().get(sys.argv[1]), *sys.argv[2:])
