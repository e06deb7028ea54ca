"""A process that reads and saves tokens until it is told to stop, while their keys are rotated.

Arguments: the database, the key file, the number of users, how many such processes there are, and
its own number. It saves the tokens of its own users only, and reads everybody's. In the end it
prints as JSON what it has saved last, by id, what went wrong, and how much it did.
"""

from __future__ import annotations

import json
import random
import select
import sys
import traceback

from tests.sealing.stores import row_of, token_id
from tests.support.processes import ready
from zoho_tokenstore import Keyset, TokenRecord, TokenRepository
from zoho_tokenstore.backends.sqlite import SQLiteBackend
from zoho_tokenstore.records import record_from_row

LOOKUPS_A_SAVE = 8


class Traffic:
    def __init__(self, tokens: TokenRepository, users: int, workers: int, worker: int) -> None:
        self._tokens = tokens
        self._users, self._workers, self._worker = users, workers, worker
        self.saved: dict[str, str] = {}
        self.trouble: list[str] = []
        self.lookups = 0

    def run(self) -> None:
        while not select.select([sys.stdin], [], [], 0)[0]:
            try:
                for _ in range(LOOKUPS_A_SAVE):
                    self._look_up(random.randrange(self._users))
                self._save(random.randrange(self._worker, self._users, self._workers))
            except Exception:  # noqa: BLE001  # told at the end
                self.trouble.append(traceback.format_exc())

    def _look_up(self, number: int) -> None:
        """By id, by name or by refresh token: each finds the user, at whatever moment of the rotation."""
        user = record_from_row(row_of(number))
        by_token = TokenRecord(
            client_id=user.client_id, client_secret=user.client_secret, refresh_token=user.refresh_token
        )
        found = random.choice(
            (
                lambda: self._tokens.get(token_id(number)),
                lambda: self._tokens.find(TokenRecord(user_name=user.user_name)),
                lambda: self._tokens.find(by_token),
            )
        )()
        self.lookups += 1
        if found is None or found.refresh_token != user.refresh_token:
            self.trouble.append(f"user {number} was not found")
        elif number % self._workers == self._worker and found.access_token != self._newest(number):
            self.trouble.append(f"the last save of user {number} is not seen")

    def _save(self, number: int) -> None:
        count = int(self._newest(number).rpartition(".")[2]) + 1
        access_token = f"1000.access.{number:032d}.{count}"
        self._tokens.save(TokenRecord(id=token_id(number), access_token=access_token))
        self.saved[token_id(number)] = access_token

    def _newest(self, number: int) -> str:
        return self.saved.get(token_id(number), row_of(number).access_token or "")


def main(path: str, key_file: str, users: str, workers: str, worker: str) -> None:
    with TokenRepository(SQLiteBackend(path), keys=Keyset.from_file(key_file)) as tokens:
        traffic = Traffic(tokens, int(users), int(workers), int(worker))
        ready()
        traffic.run()
    print(json.dumps({"saved": traffic.saved, "trouble": traffic.trouble[:5], "lookups": traffic.lookups}))


if __name__ == "__main__":
    main(*sys.argv[1:])
