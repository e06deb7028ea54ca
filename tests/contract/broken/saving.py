"""Stores that lose, duplicate or mix up what they save."""

from __future__ import annotations

import copy
import itertools
import uuid
from contextlib import suppress
from typing import Any

from tests.contract.broken.base import Broken, fails, own
from zoho_tokenstore import TokenStoreError
from zoho_tokenstore.sdk._tokens import record_of
from zoho_tokenstore.testing import fields_of


@fails("save-sets-the-id", "save-keeps-a-chosen-id", "save-assigns-short-ids")
class TellsNoId(Broken):
    def save_token(self, token: Any) -> None:
        super().save_token(own(token))
        token.set_id(None)


@fails("save-changes-nothing-else")
class FillsOnSave(Broken):
    def save_token(self, token: Any) -> None:
        super().save_token(token)
        token.set_api_domain(token.get_api_domain() or "https://www.zohoapis.com")


@fails("save-keeps-a-copy", "by-id-gives-fresh-tokens", "get-tokens-gives-fresh-tokens")
class KeepsTheObject(Broken):
    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, Any] = {}

    def save_token(self, token: Any) -> None:
        super().save_token(token)
        self.kept[token.get_id()] = token

    def find_token_by_id(self, id: str) -> Any:  # noqa: A002
        return self.kept.get(id) or super().find_token_by_id(id)

    def get_tokens(self) -> list[Any]:
        return [self.kept[row.id] for row in self.rows]


@fails("save-reads-field-by-field")
class CopiesTheObject(KeepsTheObject):
    def save_token(self, token: Any) -> None:
        super().save_token(token)
        self.kept[token.get_id()] = copy.copy(token)

    def find_token_by_id(self, id: str) -> Any:  # noqa: A002
        return copy.copy(super().find_token_by_id(id))


@fails(
    "save-never-duplicates",
    "save-keeps-new-credentials",
    "save-learns-the-user",
    "save-of-the-row-found",
    "threads-make-one-row-of-one-owner",
    "handles-make-one-row-of-one-owner",
)
class AlwaysInserts(Broken):
    numbers = itertools.count(1_000_000)

    def save_token(self, token: Any) -> None:
        record = record_of(token)
        taken = self.first(lambda row: row.id == record.id) is not None
        token.set_id(str(next(self.numbers)) if record.id is None or taken else record.id)
        self.overwrite(record, token.get_id())


@fails("save-never-blanks", "save-keeps-a-name", "save-keeps-no-expiry-alone")
class ReplacesTheRow(Broken):
    def save_token(self, token: Any) -> None:
        super().save_token(token)
        self.overwrite(record_of(token), token.get_id())


@fails("save-replaces-the-login", "save-inherits-no-refresh-token", "save-keeps-an-expiry-with-its-token")
class MergesLogins(Broken):
    """As the SDK's own stores do: what the new login does not bring, the old one lends."""

    def save_token(self, token: Any) -> None:
        record = record_of(token)
        same = self.first(lambda row: record.user_name is not None and row.user_name == record.user_name)
        if same is None:
            super().save_token(token)
        else:
            self.overwrite(record.filled_from(record_of(super().find_token_by_id(same.id))), same.id)
            token.set_id(same.id)


@fails("save-joins-no-access-token-to-a-client")
class JoinsByName(MergesLogins):
    pass


@fails("save-needs-no-client")
class NeedsAClient(Broken):
    def save_token(self, token: Any) -> None:
        if not token.get_client_id():
            raise ValueError("client_id is missing")
        super().save_token(token)


@fails("save-of-many")
class NumbersByText(Broken):
    def save_token(self, token: Any) -> None:
        if token.get_id() is None and super().find_token(own(token)) is None:
            token.set_id(str(int(max((row.id for row in self.rows), default="0")) + 1))
        super().save_token(token)


@fails("save-reuses-no-id")
class NumbersByMaximum(Broken):
    def save_token(self, token: Any) -> None:
        if token.get_id() is None and super().find_token(own(token)) is None:
            token.set_id(str(max((int(row.id) for row in self.rows if row.id.isdecimal()), default=0) + 1))
        super().save_token(token)


@fails("save-keeps-owners-apart", "find-tells-clients-apart")
class OwnersAreNames(Broken):
    def save_token(self, token: Any) -> None:
        record = record_of(token)
        same = self.first(lambda row: record.user_name is not None and row.user_name == record.user_name)
        if same is None or record.id is not None:
            super().save_token(token)
        else:
            self.overwrite(record, same.id)
            token.set_id(same.id)


@fails("save-goes-by-the-id", "save-keeps-a-chosen-id")
class IgnoresTheId(Broken):
    def save_token(self, token: Any) -> None:
        token.set_id(None)
        super().save_token(token)


@fails("save-respects-the-owner-of-an-id")
class TrustsTheId(Broken):
    def save_token(self, token: Any) -> None:
        if token.get_id() is None:
            super().save_token(token)
        else:
            self.overwrite(record_of(token), token.get_id())


@fails("refused-saves-raise")
class RefusesInSilence(Broken):
    def save_token(self, token: Any) -> None:
        with suppress(TokenStoreError):
            super().save_token(token)


@fails("save-twice")
class RefusesWhatIsNotNew(Broken):
    def save_token(self, token: Any) -> None:
        if self.first(lambda row: fields_of(token) == fields_of(self.find_token_by_id(row.id))):
            raise ValueError("nothing is new")
        super().save_token(token)


@fails("save-assigns-short-ids")
class LongIds(Broken):
    def save_token(self, token: Any) -> None:
        if token.get_id() is None and super().find_token(own(token)) is None:
            token.set_id(uuid.uuid4().hex)
        super().save_token(token)


@fails("save-keeps-expiry-as-text")
class NumericExpiry(Broken):
    def find_token_by_id(self, id: str) -> Any:  # noqa: A002
        token = super().find_token_by_id(id)
        if token is not None and token.get_expires_in():
            token.set_expires_in(int(token.get_expires_in()))
        return token


@fails("strangers-are-refused")
class IgnoresStrangers(Broken):
    def save_token(self, token: Any) -> None:
        if hasattr(token, "set_id"):
            super().save_token(token)

    def find_token(self, token: Any) -> Any:
        return super().find_token(token) if hasattr(token, "set_id") else token


@fails("save-tells-credentials-of-clients-apart")
class SavesForAnyClient(Broken):
    def save_token(self, token: Any) -> None:
        record = record_of(token)
        same = self.first(lambda row: row.refresh_token == record.refresh_token)
        if same is None or record.id is not None or record.refresh_token is None:
            super().save_token(token)
        else:
            self.overwrite(record, same.id)
            token.set_id(same.id)
