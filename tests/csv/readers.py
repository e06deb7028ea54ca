"""One process saves without a pause, two look up without a pause; what they find must never be wrong.

Arguments: the file, how many saves. Prints as JSON what was wrong, and how many look-ups there were.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from tests.csv.crowd import at_once
from tests.csv.support import open_tokens, token
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.repository import TokenRepository

OTHERS = 20
LAST = "last"


def write(path: Path, saves: int) -> None:
    with open_tokens(path) as tokens:
        for number in range(1, saves + 1):
            tokens.save(token("alice", f"access-{number}"))
        tokens.save(token(LAST))


def read(path: Path, token_id: str, wrong: int, counted: int) -> None:
    """Look up until the last token is there: never absent, never older than before, never half."""
    newest = look_ups = 0
    with open_tokens(path) as tokens:
        while tokens.find(TokenRecord(user_name=LAST)) is None:
            look_ups += 1
            seen = number_of(tokens, token_id)
            if seen < newest or tokens.count() < OTHERS + 1:
                os.write(wrong, b"x")
            newest = seen
    os.write(counted, f"{look_ups}\n".encode())


def number_of(tokens: TokenRepository, token_id: str) -> int:
    by_id, by_name = tokens.get(token_id), tokens.find(TokenRecord(user_name="alice"))
    if by_id is None or by_name is None or by_name.refresh_token != "refresh-alice":
        return -1
    return int((by_id.access_token or "").removeprefix("access-"))


def main(path: str, saves: str) -> None:
    with open_tokens(Path(path)) as tokens:
        for number in range(OTHERS):
            tokens.save(token(f"other{number}"))
        token_id = tokens.save(token("alice", "access-0")).id or ""
    trouble, wrong = os.pipe()
    counts, counted = os.pipe()

    def work(number: int) -> None:
        if number == 0:
            write(Path(path), int(saves))
        else:
            read(Path(path), token_id, wrong, counted)

    errors = at_once(3, work)
    os.close(wrong)
    os.close(counted)
    with open(trouble, "rb") as bad, open(counts, encoding="utf-8") as pipe:  # noqa: PTH123
        print(json.dumps({"errors": errors, "wrong": len(bad.read()), "look_ups": list(map(int, pipe))}))


if __name__ == "__main__":
    main(*sys.argv[1:])
