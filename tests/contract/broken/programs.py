"""Stores that are wrong for a program that uses them by Zoho's SDK."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.contract.broken.base import Broken, OnDisk, fails, own
from zoho_tokenstore import ListStore, SQLiteStore
from zoho_tokenstore.sdk._tokens import record_of
from zoho_tokenstore.testing import fields_of

_PAST_MS = 1_000_000_000_000


@fails("sdk-stays-within-zohos-limit")
class LeavesRenewalsToTheSDK(Broken):
    """A right store, but for nothing that coordinates renewals."""

    def __init__(self) -> None:
        ListStore.__init__(self, refresh=None)

    def is_expired(self, row_id: str) -> bool:
        row = self.first(lambda row: row.id == row_id)
        return row is not None and 0 < int(row.expiry_time or 0) < _PAST_MS

    def is_renewal(self, token: Any) -> bool:
        row = self.first(lambda row: row.id == token.get_id())
        return row is not None and row.access_token != token.get_access_token()


Plain = LeavesRenewalsToTheSDK


@fails("sdk-processes-stay-within-zohos-limit")
class LeavesRenewalsToEachProcess(OnDisk):
    def __init__(self, folder: Path) -> None:
        SQLiteStore.__init__(self, folder / "tokens.db", refresh=None)


@fails("sdk-accepts-the-store")
class IsNoTokenStore:
    """Has the six methods, and nothing of the SDK's interface."""

    abilities = Plain.abilities

    def __init__(self) -> None:
        self.inner = Plain()

    def __enter__(self) -> IsNoTokenStore:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.inner.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def handle(self) -> IsNoTokenStore:
        return self


@fails("sdk-logs-in-once")
class FindsNoCodes(Plain):
    def find_token(self, token: Any) -> Any:
        return None if token.get_grant_token() else super().find_token(token)


@fails("sdk-renews-once")
class DropsRenewals(Plain):
    def save_token(self, token: Any) -> None:
        if not self.is_renewal(token):
            super().save_token(token)


@fails("sdk-renews-again-and-again")
class DropsTheRefreshToken(Plain):
    def save_token(self, token: Any) -> None:
        if self.is_renewal(token):
            self.overwrite(replace(record_of(token), refresh_token=None), token.get_id())
        else:
            super().save_token(token)


@fails("sdk-switches-users", "sdk-renews-each-user")
class KeyedByTheClient(Plain):
    """Has one place for a client, whoever has logged in."""

    def save_token(self, token: Any) -> None:
        token.set_id(token.get_client_id())
        self.overwrite(record_of(token), token.get_id())


@fails("sdk-renews-each-user")
class HasOneRefreshToken(Plain):
    def find_token_by_id(self, id: str) -> Any:  # noqa: A002
        return own(super().find_token_by_id(id), refresh_token=self.rows[0].refresh_token)


@fails("sdk-keeps-clients-apart")
class HasARowForAName(Plain):
    def save_token(self, token: Any) -> None:
        name = fields_of(token)["user_name"]
        same = self.first(lambda row: row.user_name == name)
        if same is None:
            super().save_token(token)
        else:
            token.set_id(same.id)
            self.overwrite(record_of(token), same.id)


@fails("sdk-revokes-a-login")
class FindsNoId(Plain):
    def find_token(self, token: Any) -> Any:
        return None if token.get_id() else super().find_token(token)


@fails("sdk-revokes-nobody-else")
class FindsTheFirstForAnId(Plain):
    def find_token(self, token: Any) -> Any:
        return self.filled(token, self.rows[0]) if token.get_id() else super().find_token(token)


@fails("sdk-removes-one-login")
class RemovesAll(Plain):
    def delete_token(self, id: str) -> None:  # noqa: A002
        self.delete_tokens()


@fails("sdk-logs-in-again")
class TakesTheOldLoginOfAName(Plain):
    def find_token(self, token: Any) -> Any:
        name = fields_of(token)["user_name"]
        same = self.first(lambda row: row.user_name == name)
        return super().find_token(token) if same is None else self.filled(token, same)


@fails("sdk-reports-a-refusal")
class LendsAnotherToken(Plain):
    def find_token_by_id(self, id: str) -> Any:  # noqa: A002
        good = self.first(lambda row: not self.is_expired(row.id))
        return super().find_token_by_id(good.id if good is not None and self.is_expired(id) else id)


@fails("sdk-survives-a-refusal")
class CleansUpWhatHasExpired(Plain):
    def find_token_by_id(self, id: str) -> Any:  # noqa: A002
        if self.is_expired(id):
            for row in self.rows:
                if row.id != id and self.is_expired(row.id):
                    self.delete_token(row.id)
        return super().find_token_by_id(id)


@fails("sdk-keeps-an-apostrophe")
class BreaksAtAnApostrophe(Plain):
    def save_token(self, token: Any) -> None:
        if "'" in str(fields_of(token)["user_name"]):
            raise ValueError("syntax error")
        super().save_token(token)


@fails("sdk-serves-threads-as-themselves")
class SharesOneResult(Plain):
    """Reads into one variable of the store, whichever thread asks."""

    def find_token_by_id(self, id: str) -> Any:  # noqa: A002
        self.result = super().find_token_by_id(id)
        threading.Event().wait(0.002)
        return self.result
