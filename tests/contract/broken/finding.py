"""Stores that find the wrong token, or none."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.contract.broken.base import Broken, alike, fails, own
from zoho_tokenstore.sdk._tokens import put, record_of
from zoho_tokenstore.testing import fields_of, make_token


@fails("find-fills-in-place")
class ReturnsAnother(Broken):
    def find_token(self, token: Any) -> Any:
        return super().find_token(make_token(**fields_of(token)))


@fails("find-answers-none-on-a-miss", "find-in-an-empty-store")
class RaisesOnAMiss(Broken):
    def find_token(self, token: Any) -> Any:
        found = super().find_token(token)
        if found is None:
            raise LookupError("no such token")
        return found


@fails("find-by-id-alone")
class FindsNoIds(Broken):
    def find_token(self, token: Any) -> Any:
        return None if token.get_id() else super().find_token(token)


@fails("find-by-user-name", "find-fills-in-place")
class FindsNoNames(Broken):
    def find_token(self, token: Any) -> Any:
        return None if record_of(token).user_name else super().find_token(token)


@fails("find-by-credentials", "find-by-access-token")
class FindsOnlyNames(Broken):
    def find_token(self, token: Any) -> Any:
        return super().find_token(token) if record_of(token).user_name else None


@fails("find-needs-a-key", "find-ignores-an-empty-name", "find-ignores-an-empty-key")
class FindsAnyRow(Broken):
    def find_token(self, token: Any) -> Any:
        query = record_of(token)
        if query.id or query.user_name or query.access_token or query.refresh_token or query.grant_token:
            return super().find_token(token)
        return self.filled(token, self.first(lambda row: True))


@fails("find-answers-none-for-empty-keys")
class InsistsOnAKey(Broken):
    def find_token(self, token: Any) -> Any:
        query = record_of(token)
        if not (query.id or query.user_name or query.access_token or query.refresh_token):
            raise ValueError("no key")
        return super().find_token(token)


@fails("find-never-falls-through", "find-prefers-the-id")
class FallsThrough(Broken):
    def find_token(self, token: Any) -> Any:
        for changes in ({}, {"id": None}, {"id": None, "user_name": None}):
            found = super().find_token(own(token, **changes))
            if found is not None:
                return self.filled(token, self.first(partial(alike, "id", found.get_id())))
        return None


@fails("find-takes-no-contradiction", "find-tells-clients-apart", "find-tells-domains-apart")
class FindsByNameAlone(Broken):
    def find_token(self, token: Any) -> Any:
        name = record_of(token).user_name
        if name is None or token.get_id():
            return super().find_token(token)
        return self.filled(token, self.first(lambda row: row.user_name == name))


@fails("find-keeps-the-callers-fields")
class FindOverwrites(Broken):
    def find_token(self, token: Any) -> Any:
        found = super().find_token(make_token(**fields_of(token)))
        if found is None:
            return None
        put(record_of(super().find_token_by_id(found.get_id())), token)
        return token


@fails(
    "find-by-credentials-needs-the-client",
    "find-tries-a-new-client-secret",
    "lookalike-credentials-are-different",
)
class FindsForAnyClient(Broken):
    def find_token(self, token: Any) -> Any:
        query = record_of(token)
        for name in ("refresh_token", "grant_token"):
            given = getattr(query, name)
            if given and not query.user_name:
                return self.filled(token, self.first(partial(alike, name, given)))
        return super().find_token(token)


@fails("find-stores-nothing")
class SavesOnFind(Broken):
    def find_token(self, token: Any) -> Any:
        found = super().find_token(token)
        if found is not None:
            super().save_token(found)
        return found
