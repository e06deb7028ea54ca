"""Stores that are wrong under threads, or beside a second handle."""

from __future__ import annotations

import threading
from typing import Any

from tests.contract.broken.base import Broken, fails
from zoho_tokenstore import TokenRecord
from zoho_tokenstore.sdk._tokens import record_of
from zoho_tokenstore.testing import fields_of, make_token


@fails("threads-may-use-a-store", "threads-lose-no-save")
class BelongsToOneThread(Broken):
    def __init__(self) -> None:
        super().__init__()
        self.thread = threading.get_ident()

    def save_token(self, token: Any) -> None:
        if threading.get_ident() != self.thread:
            raise RuntimeError("made in another thread")
        super().save_token(token)


@fails("threads-lose-no-save", "handles-make-one-row-of-one-owner")
class RewritesEverything(Broken):
    def __init__(self) -> None:
        super().__init__()
        self.meeting = threading.Barrier(2)

    def save_token(self, token: Any) -> None:
        before = self.rows
        try:
            self.meeting.wait(0.02)  # let another thread read, too, before anything is written
        except threading.BrokenBarrierError:
            self.meeting.reset()
        super().save_token(token)
        for row in self.rows:
            if row.id not in {token.get_id(), *(old.id for old in before)}:
                self.repository.delete(row.id)


@fails("threads-never-see-half-a-save")
class SavesByField(Broken):
    def save_token(self, token: Any) -> None:
        record = record_of(token)
        if record.id is not None and record.refresh_token is not None:
            self.repository.save(TokenRecord(id=record.id, refresh_token=record.refresh_token))
            threading.Event().wait(0.001)
        super().save_token(token)


@fails("handles-share-their-tokens", "save-keeps-newer-fields")
class BelievesItself(Broken):
    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, dict[str, Any]] = {}

    def handle(self) -> Broken:
        other = super().handle()
        other.__dict__["kept"] = {}
        return other

    def find_token(self, token: Any) -> Any:
        found = super().find_token(token)
        if found is not None:
            self.kept[found.get_id()] = fields_of(found)
        return found

    def find_token_by_id(self, id: str) -> Any:  # noqa: A002
        token = super().find_token_by_id(id) if id not in self.kept else make_token(**self.kept[id])
        if token is not None:
            self.kept[id] = fields_of(token)
        return token

    def save_token(self, token: Any) -> None:
        known = self.kept.get(token.get_id() or "")
        own = {name: value for name, value in fields_of(token).items() if value is not None}
        super().save_token(make_token(**known | own) if known else token)


@fails("handles-respect-each-others-rows")
class WritesBackWhatItRead(BelievesItself):
    def save_token(self, token: Any) -> None:
        super().save_token(token)
        for token_id, fields in self.kept.items():
            if token_id != token.get_id():
                self.overwrite(record_of(make_token(**fields)), token_id)
