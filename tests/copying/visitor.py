"""A process that uses the destination of a copy: users log in, and their tokens are refreshed.

Arguments: the database, its key file, how many users there are, how many such processes, and its own
number. It saves for its own users only. It stops when its input says so, and prints as JSON the
access token that was saved last for each user, and what went wrong.
"""

from __future__ import annotations

import json
import random
import select
import sys
import time
import traceback

from tests.copying.support import numbered
from tests.support.processes import ready
from zoho_tokenstore import Keyset, TokenRecord, TokenRepository
from zoho_tokenstore.backends.sqlite import SQLiteBackend
from zoho_tokenstore.records import record_from_row


def main(path: str, key_file: str, users: str, workers: str, worker: str) -> None:
    saved: dict[str, str] = {}
    trouble: list[str] = []
    own = [one for one in map(numbered, range(int(worker), int(users), int(workers))) if one.user_name]
    with TokenRepository(SQLiteBackend(path), keys=Keyset.from_file(key_file)) as tokens:
        ready()
        count = 0
        while not select.select([sys.stdin], [], [], 0)[0]:
            user = random.choice(own)
            count += 1
            try:
                login = record_from_row(user).changed(
                    id=None,
                    access_token=f"1000.access.{worker}.{count}",
                    refresh_token=f"1000.refresh.{worker}",
                )
                tokens.save(TokenRecord(**login.__dict__))
                saved[str(user.user_name)] = str(login.access_token)
                found = tokens.find(TokenRecord(user_name=user.user_name))
                if found is None or found.access_token != login.access_token:
                    trouble.append(f"the last save of {user.user_name} is not seen")
            except Exception:  # noqa: BLE001  # told at the end
                trouble.append(traceback.format_exc())
            time.sleep(0.001)
    print(json.dumps({"saved": saved, "trouble": trouble[:5]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
