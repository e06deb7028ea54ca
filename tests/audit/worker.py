"""A process that appends to an audit trail.

Arguments: the URL of the store, how many logins to save or 0 for no end, and its number. It begins at a
word, and prints each entry's place in its own order after the save has returned, or at the end how many.
"""

from __future__ import annotations

import json
import os
import sys
from itertools import count

from tests.support.processes import ready
from zoho_tokenstore import TokenRecord, on_behalf_of, open_repository


def main(url: str, logins: str, number: str) -> None:
    with open_repository(url) as repository, on_behalf_of(f"worker {number}"):
        ready()
        for place in range(int(logins)) if int(logins) else count():
            name = f"{number}-{place}"
            repository.save(
                TokenRecord(user_name=name, client_id="c", refresh_token=f"1000.r.{name}", access_token="a")
            )
            if int(logins) == 0:
                os.write(1, f"{name}\n".encode())
        print(json.dumps(int(logins)))


if __name__ == "__main__":
    main(*sys.argv[1:])
