"""Works on a DynamoDB store beside other processes, when it is told to begin. Prints what it did, as JSON.

Arguments: what to do, the store's URL, and a number of its own.
"""

from __future__ import annotations

import json
import sys
from urllib.parse import urlsplit

from tests.support.processes import ready
from zoho_tokenstore.backends.dynamodb import DynamoDBBackend
from zoho_tokenstore.errors import RowChangedError
from zoho_tokenstore.records import Row, TokenRecord
from zoho_tokenstore.repository import TokenRepository

SAVES = 8
TTL = 60_000


def save(backend: DynamoDBBackend, number: int) -> object:
    """Save tokens of five owners that all processes share."""
    tokens = TokenRepository(backend)
    saved = [
        tokens.save(
            TokenRecord(
                user_name=f"user{turn % 5}", client_id="c", client_secret="s", refresh_token=f"r{turn % 5}",
                access_token=f"access-{number}-{turn}",
            )
        )
        for turn in range(SAVES)
    ]  # fmt: skip
    return [(record.id, record.user_name, record.access_token) for record in saved]


def count(backend: DynamoDBBackend, _: int) -> object:
    """Add one to the number in row 1, as often as it takes to do so `SAVES` times."""
    done = 0
    while done < SAVES:
        row = backend.load("1")
        assert row is not None
        try:
            backend.write(row._replace(user_name=str(int(row.user_name or "0") + 1)), expect=row.etag)
        except RowChangedError:
            continue
        done += 1
    return done


def share(backend: DynamoDBBackend, number: int) -> object:
    """Bring a row of one's own to keys that all others have too, and leave them, again and again."""
    etag = backend.write(Row(str(number), user_name="both"), expect=None)
    for turn in range(SAVES):
        etag = backend.write(Row(str(number), user_name=("one", "both")[turn % 2]), expect=etag)
    return backend.remove(str(number)) if number % 2 else len(backend.find("user_name", "both")) > 0


def lease(backend: DynamoDBBackend, number: int) -> object:
    """Store a first text, and count in another one, as all others do."""
    is_first = backend.leases.replace("first", "", str(number), TTL)
    while True:
        was = backend.leases.read("count").text
        if backend.leases.replace("count", was, f"{int(was.partition(' ')[0] or 0) + 1} {number}", TTL):
            return is_first


def main(what: str, url: str, number: str) -> None:
    backend = DynamoDBBackend.from_url(urlsplit(url))
    ready()
    done = {"save": save, "count": count, "share": share, "lease": lease}[what](backend, int(number))
    backend.close()
    print(json.dumps(done))


if __name__ == "__main__":
    main(*sys.argv[1:])
