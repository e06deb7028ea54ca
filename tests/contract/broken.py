"""Stores that are wrong in one way each: a contract that none of them fails would prove nothing.

Most defects were found in published stores (docs/reference/published-defects.md).
"""

from __future__ import annotations

import copy
import itertools
import threading
import unicodedata
import uuid
from collections.abc import Callable
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, Final

from zoho_tokenstore import ListStore, TokenRecord
from zoho_tokenstore.records import Row, row_from_record
from zoho_tokenstore.sdk.tokens import new_token, put, record_of
from zoho_tokenstore.testing import fields_of, make_token
from zoho_tokenstore.testing.tokens import FIELDS

CAUGHT_BY: Final[dict[type, set[str]]] = {}
"""The clauses that must fail for each broken store."""


def fails(*clauses: str) -> Callable[[type], type]:
    """Note which clauses a broken store must fail."""

    def note(store: type) -> type:
        CAUGHT_BY[store] = set(clauses)
        return store

    return note


class Broken(ListStore):
    """A right store, to be spoiled in one place."""

    def handle(self) -> Broken:
        """Return a second handle on the same tokens, equally spoiled."""
        other = type(self).__new__(type(self))
        other.__dict__.update(self.__dict__)
        return other

    @property
    def rows(self) -> list[Row]:
        return list(self.repository._backend.scan())

    def overwrite(self, record: TokenRecord, row_id: str) -> None:
        """Store a record under an id, whatever is there."""
        backend = self.repository._backend
        old = backend.load(row_id)
        backend.write(row_from_record(record, row_id), expect=None if old is None else old.etag)

    def first(self, fits: Callable[[Row], bool]) -> Row | None:
        return next((row for row in self.rows if fits(row)), None)

    def filled(self, token: Any, row: Row | None) -> Any:
        if row is None:
            return None
        put(record_of(token).filled_from(record_of(super().find_token_by_id(row.id))), token)
        return token


def _own(token: Any, **changes: Any) -> Any:
    return make_token(**{**fields_of(token), **changes})


def _alike(name: str, text: str, row: Row) -> bool:
    return (getattr(row, name) or "").casefold() == text.casefold()


# ---- finding


@fails("find-fills-in-place", "find-keeps-the-callers-fields")
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


@fails("find-by-id-alone", "find-keeps-the-callers-fields")
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


@fails("find-never-falls-through")
class FallsThrough(Broken):
    def find_token(self, token: Any) -> Any:
        for changes in ({}, {"id": None}, {"id": None, "user_name": None}):
            found = super().find_token(_own(token, **changes))
            if found is not None:
                return self.filled(token, self.first(partial(_alike, "id", found.get_id())))
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


@fails("find-by-credentials-needs-the-client", "lookalike-credentials-are-different")
class FindsForAnyClient(Broken):
    def find_token(self, token: Any) -> Any:
        query = record_of(token)
        for name in ("refresh_token", "grant_token"):
            given = getattr(query, name)
            if given and not query.user_name:
                return self.filled(token, self.first(partial(_alike, name, given)))
        return super().find_token(token)


@fails("find-stores-nothing")
class SavesOnFind(Broken):
    def find_token(self, token: Any) -> Any:
        found = super().find_token(token)
        if found is not None:
            super().save_token(found)
        return found


# ---- saving


@fails("save-sets-the-id", "save-keeps-a-chosen-id", "save-assigns-short-ids")
class TellsNoId(Broken):
    def save_token(self, token: Any) -> None:
        super().save_token(_own(token))
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


@fails("save-never-blanks")
class ReplacesTheRow(Broken):
    def save_token(self, token: Any) -> None:
        super().save_token(token)
        self.overwrite(record_of(token), token.get_id())


@fails("save-needs-no-client")
class NeedsAClient(Broken):
    def save_token(self, token: Any) -> None:
        if not token.get_client_id():
            raise ValueError("client_id is missing")
        super().save_token(token)


@fails("save-of-many")
class NumbersByText(Broken):
    def save_token(self, token: Any) -> None:
        if token.get_id() is None and super().find_token(_own(token)) is None:
            token.set_id(str(int(max((row.id for row in self.rows), default="0")) + 1))
        super().save_token(token)


@fails("save-reuses-no-id")
class NumbersByMaximum(Broken):
    def save_token(self, token: Any) -> None:
        if token.get_id() is None and super().find_token(_own(token)) is None:
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


@fails("save-assigns-short-ids")
class LongIds(Broken):
    def save_token(self, token: Any) -> None:
        if token.get_id() is None and super().find_token(_own(token)) is None:
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


# ---- by id, all, deleting


@fails("by-id-gives-all-fields", "save-sets-the-id")
class DropsTheDomain(Broken):
    def find_token_by_id(self, id: str) -> Any:  # noqa: A002
        token = super().find_token_by_id(id)
        if token is not None:
            token.set_api_domain(None)
        return token


@fails("by-id-of-a-missing-token", "by-id-never-guesses", "injections-do-nothing")
class InventsTokens(Broken):
    def find_token_by_id(self, id: str) -> Any:  # noqa: A002
        found = self.first(lambda row: row.id == id)
        return new_token(TokenRecord(id=id)) if found is None else super().find_token_by_id(id)


@fails("by-id-never-guesses")
class ReadsIdsAsNumbers(Broken):
    def find_token_by_id(self, id: str) -> Any:  # noqa: A002
        try:
            return super().find_token_by_id(str(int(id)))
        except ValueError:
            return super().find_token_by_id(id)


@fails("delete-by-id", "save-after-delete", "hostile-texts-come-back")
class DeletesNothing(Broken):
    def delete_token(self, id: str) -> None:  # noqa: A002
        pass


@fails("delete-of-a-missing-token")
class RaisesOnDelete(Broken):
    def delete_token(self, id: str) -> None:  # noqa: A002
        if not self.repository.delete(id):
            raise LookupError("no such token")


@fails("delete-without-an-id")
class NoneDeletesAll(Broken):
    def delete_token(self, id: str) -> None:  # noqa: A002
        if id is None:
            self.delete_tokens()
        else:
            super().delete_token(id)


@fails("delete-tokens", "handles-delete-for-all", "threads-may-use-a-store")
class ClearsNothing(Broken):
    def delete_tokens(self) -> None:
        pass


@fails("get-tokens-of-an-empty-store")
class NoneForNoTokens(Broken):
    def get_tokens(self) -> Any:
        return super().get_tokens() or None


@fails("get-tokens-gives-all")
class GivesSomeTokens(Broken):
    def get_tokens(self) -> list[Any]:
        return super().get_tokens()[1:]


# ---- hostile texts


@fails("hostile-texts-come-back", "lookalikes-are-different", "lookalike-credentials-are-different")
class FoldsTexts(Broken):
    def find_token(self, token: Any) -> Any:
        return super().find_token(self._folded(token))

    def save_token(self, token: Any) -> None:
        super().save_token(self._folded(token))

    def _folded(self, token: Any) -> Any:
        record = record_of(token)
        texts: dict[str, Any] = {name: getattr(record, name) for name in FIELDS if name != "expires_in"}
        for name, text in texts.items():
            texts[name] = text and unicodedata.normalize("NFKC", text).casefold().strip()
        put(TokenRecord(**texts), token)
        return token


@fails("lone-surrogates-are-refused")
class DropsSurrogates(Broken):
    def save_token(self, token: Any) -> None:
        fields = fields_of(token).items()
        clean = make_token(**{n: t and t.encode("utf-8", "ignore").decode() for n, t in fields})
        super().save_token(clean)
        token.set_id(clean.get_id())


@fails("injections-do-nothing", "injections-are-saved-as-text", "by-id-never-guesses")
class TakesPatterns(Broken):
    def find_token(self, token: Any) -> Any:
        record = record_of(token)
        pattern = (record.user_name or "").replace("%", "*")
        if not pattern or record.id:
            return super().find_token(token)
        return self.filled(token, self.first(lambda row: fnmatchcase(row.user_name or "", pattern)))

    def find_token_by_id(self, id: str) -> Any:  # noqa: A002
        found = self.first(lambda row: fnmatchcase(row.id, id))
        return super().find_token_by_id(id if found is None else found.id)


# ---- threads and handles


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


@fails("handles-share-their-tokens", "handles-respect-each-others-rows")
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
