"""Random logins of several accounts never mix, whoever saves, deletes, refreshes or comes late."""

from __future__ import annotations

import itertools
import logging
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.property.test_stateful import REFUSED, refusing
from tests.unit.renewal.support import Zoho
from zoho_tokenstore import Keyset, RefreshPolicy, RepositoryStore, TokenRecord, TokenRepository
from zoho_tokenstore._matching import SpentCodes
from zoho_tokenstore._saving import Fence
from zoho_tokenstore._util.clock import now_ms
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.backends.sqlite import SQLiteBackend
from zoho_tokenstore.errors import BackendUnavailableError, ConflictError
from zoho_tokenstore.records import Row
from zoho_tokenstore.renewal._pending_saves import PendingSaves
from zoho_tokenstore.testing import fields_of, make_token
from zoho_tokenstore.testing._tokens import SDKException

__all__ = ["refusing"]

ACCOUNTS = ("one", "two", "three")
ZOHOS_NAMES = {account: f"{account}@zylker.example:7" for account in ACCOUNTS}
NAMES = ("tenant-7", *ZOHOS_NAMES.values())
"""What an application names users: by names of its own, or of whomever as Zoho writes them."""

KEYS = Keyset.generate()
LATER = 4_102_444_800_000
CLIENT = {"client_id": "A", "client_secret": "secret of A"}
SECRETS = ("access_token", "refresh_token", "grant_token")
HANDLES = st.integers(min_value=0, max_value=1)
PEOPLE = st.sampled_from([*ACCOUNTS[:2], *ACCOUNTS])
NAMED = st.sampled_from(["Zoho", "Zoho", "Zoho", None, *NAMES])
KINDS = st.sampled_from(
    [
        {"refresh_token", "access_token", "grant_token"},
        {"access_token", "refresh_token"},
        {"access_token", "grant_token"},
        {"refresh_token"},
        {"access_token"},
        {"access_token"},
    ]
)
FIELDS = st.builds(
    lambda client, others: {"client_id": client, "client_secret": f"secret of {client}"} | others,
    st.sampled_from(["A", "A", "B"]),
    st.fixed_dictionaries(
        {},
        optional={
            "api_domain": st.sampled_from(["production", "sandbox"]),
            "redirect_url": st.just("https://portal.example"),
        },
    ),
)
"""What a login brings beside its tokens."""


class Lockable:
    """A storage that can be read, and not be written, while it is locked."""

    locked = False

    def write(self, row: Row, *, expect: object) -> object:
        if self.locked:
            raise BackendUnavailableError("Somebody else has locked it.")
        return super().write(row, expect=expect)  # type: ignore[misc]


class LockableList(Lockable, ListBackend):
    """Rows in a list."""


class LockableFile(Lockable, SQLiteBackend):
    """Rows in a database."""


def _one_list(_: Path) -> list[Backend]:
    backend = LockableList()
    return [backend, backend]


def _one_file(folder: Path) -> list[Backend]:
    return [LockableFile(folder / "tokens.db") for _ in range(2)]


STORES: dict[str, tuple[Callable[[Path], list[Backend]], Any, SpentCodes, int]] = {
    "list": (_one_list, None, "self-client", 5),
    "list, all codes kept": (_one_list, None, "find", 3),
    "list, no codes kept": (_one_list, None, "refuse", 2),
    "sealed list": (_one_list, KEYS, "self-client", 1),
    "sqlite": (_one_file, None, "self-client", 1),
}
"""Two handles on one store, its keys, which codes are kept, and how many of the examples it gets."""


def _number(token: str) -> int:
    """Return the number of the login that a token is of."""
    return int(token.split(".")[1])


def _account(token: str) -> str:
    return token.split(".")[0]


def _held(record: TokenRecord) -> dict[str, str]:
    return {name: text for name in SECRETS if (text := getattr(record, name)) is not None}


def _owner(record: TokenRecord) -> tuple[str | None, str | None]:
    return record.user_name, record.client_id


def _login_of(record: TokenRecord) -> int:
    """Return the number of a row's login: that of its access token, or of what stands for one."""
    return _number(next(iter(_held(record).values())))


class Logins(RuleBasedStateMachine):
    """Every token tells its account and login; logins are numbered as they were made.

    `latest` is the last login of each row; `waiting` are those whose save failed, with whom Zoho named
    in them; `named` whom it named in the login that a row comes from.
    """

    kind: str

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        make, keys, self.spent_codes, _ = STORES[self.kind]
        self.backends: list[Any] = make(Path(self.folder.name))
        self.now = now_ms()
        self.repositories = [
            TokenRepository(backend, keys=keys, spent_codes=self.spent_codes, clock=self.tick)
            for backend in self.backends
        ]
        # What comes late is saved by the caller: in a thread of its own nothing could be repeated.
        policy = RefreshPolicy(background=False)
        self.stores = [RepositoryStore(repository, refresh=policy) for repository in self.repositories]
        self.numbers = itertools.count(1)
        self.expiries: dict[str, int] = {}
        self.clients: dict[int, str | None] = {}
        self.latest: dict[str, int] = {}
        self.named: dict[str, tuple[str | None, str | None]] = {}
        self.waiting: dict[int, tuple[str | None, str | None] | None] = {}
        self.dead: set[int] = set()
        self.retired: set[str] = set()
        self.under_way: list[tuple[TokenRecord, Fence]] = []
        self.said: list[TokenRecord] = [TokenRecord(user_name="tenant-7")]

    def tick(self) -> int:
        """Return a time that never comes twice."""
        self.now = max(self.now + 1, now_ms())
        return self.now

    def teardown(self) -> None:
        for backend in self.backends:
            backend.locked = False
        for store in self.stores:
            store.close()
        self.folder.cleanup()

    # ---- what happens

    @rule(handle=HANDLES, account=PEOPLE, name=NAMED, kinds=KINDS, fields=FIELDS, data=st.data())
    def log_in(
        self,
        handle: int,
        account: str,
        name: str | None,
        kinds: set[str],
        fields: dict[str, str],
        data: st.DataObject,
    ) -> None:
        """A login of an account, which Zoho named or the application, mostly by no id."""
        if kinds == {"access_token"} and name != "Zoho":
            # With a client or an id, and no proof, what an application saves is a part of a login.
            fields = {key: text for key, text in fields.items() if not key.startswith("client")}
        elif data.draw(st.integers(0, 5)) == 0:
            fields = fields | {"id": data.draw(self._ids())}
        self._log_in(handle, account, name, kinds, fields, data)

    @rule(handle=HANDLES, account=PEOPLE, name=NAMED, data=st.data())
    def consent(self, handle: int, account: str, name: str | None, data: st.DataObject) -> None:
        """A first login by a browser."""
        kinds = {"access_token", "refresh_token", "grant_token"}
        self._log_in(handle, account, name, kinds, {**CLIENT, "redirect_url": "https://portal.example"}, data)

    @rule(handle=HANDLES, account=PEOPLE, name=NAMED, is_by_code=st.booleans(), data=st.data())
    def log_in_again(
        self, handle: int, account: str, name: str | None, is_by_code: bool, data: st.DataObject
    ) -> None:
        """A login that brings no refresh token."""
        if is_by_code or name == "Zoho":
            kinds = {"access_token", "grant_token"} if is_by_code else {"access_token"}
            self._log_in(handle, account, name, kinds, CLIENT, data)

    @precondition(lambda self: self.latest)
    @rule(handle=HANDLES, data=st.data())
    def begin_to_refresh(self, handle: int, data: st.DataObject) -> None:
        record = self.repositories[handle].get(data.draw(st.sampled_from(sorted(self.latest))))
        assert record is not None
        if record.refresh_token is not None:
            self.under_way.append((record, Fence(record.access_token, record.refresh_token)))

    @precondition(lambda self: self.under_way)
    @rule(handle=HANDLES, data=st.data())
    def end_a_refresh(self, handle: int, data: st.DataObject) -> None:
        """Save a new access token, of the account that the refresh token is of, however late."""
        record, fence = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        access = f"{_account(record.refresh_token or '')}.{_login_of(record)}.access_token.{self.tick()}"
        renewed = record.changed(access_token=access, expires_at_ms=self._expiry(access, data))
        try:
            saved = self.repositories[handle].save(renewed, fence=fence)
        except BackendUnavailableError:
            self._late(handle).keep(renewed, fence)
        except ConflictError:
            assert record.id in self.retired or record.id not in self.latest
        else:
            assert saved.id == record.id

    @precondition(lambda self: self.latest)
    @rule(handle=HANDLES, data=st.data())
    def save_a_part_by_id(self, handle: int, data: st.DataObject) -> None:
        """Another access token of the same login, for the row with an id."""
        row_id = data.draw(st.sampled_from(sorted(self.latest)))
        record = self.repositories[handle].get(row_id)
        assert record is not None
        account = _account(next(iter(_held(record).values())))
        access = f"{account}.{_login_of(record)}.access_token.{self.tick()}"
        if not self.backends[handle].locked:
            self.repositories[handle].save(
                TokenRecord(id=row_id, access_token=access, expires_at_ms=self._expiry(access, data))
            )

    @precondition(lambda self: self.latest)
    @rule(handle=HANDLES, data=st.data())
    def delete(self, handle: int, data: st.DataObject) -> None:
        row_id = data.draw(st.sampled_from(sorted(self.latest)))
        self.stores[handle].delete_token(row_id)
        self._gone([row_id])

    @precondition(lambda self: len(self.latest) > 3)
    @rule(handle=HANDLES)
    def delete_all(self, handle: int) -> None:
        self.stores[handle].delete_tokens()
        self._gone(list(self.latest))
        self.dead |= set(self.waiting)

    @rule()
    def lock_or_unlock(self) -> None:
        for backend in set(self.backends):
            backend.locked = not backend.locked

    @rule(handle=HANDLES)
    def save_what_waits(self, handle: int) -> None:
        self._late(handle).save(at_once=True)

    # ---- what is answered

    @rule(handle=HANDLES, data=st.data())
    def find(self, handle: int, data: st.DataObject) -> None:
        """A look-up by some of the fields of a login never brings tokens of another account to them."""
        model = data.draw(st.sampled_from(self.said))
        names = ["user_name", "client_id", *SECRETS, "api_domain", "redirect_url"]
        asked = data.draw(st.sets(st.sampled_from(names), min_size=1, max_size=4))
        if "client_id" in asked:
            asked.add("client_secret")
        query = {name: text for name in asked if (text := getattr(model, name)) is not None}
        if data.draw(st.booleans()):
            query["user_name"] = data.draw(st.sampled_from(NAMES))
        token = make_token(**query)
        try:
            found = self.stores[handle].find_token(token)
        except REFUSED:
            assert self._has_some_without_access(handle)
            found = None
        assert found is None or found is token
        self._check(self._record(token), own=query)

    @rule(handle=HANDLES, data=st.data())
    def find_by_id(self, handle: int, data: st.DataObject) -> None:
        row_id = data.draw(self._ids())
        try:
            token = self.stores[handle].find_token_by_id(row_id)
        except REFUSED:
            assert self._has_some_without_access(handle)
            return
        except SDKException:
            token = None
        if row_id in self.retired:
            assert token is None
        elif row_id in self.latest:
            self._check(self._record(token))

    @invariant()
    def no_row_is_mixed_lost_or_brought_back(self) -> None:
        rows = {record.id or "": record for record in self.repositories[0].scan()}
        assert not rows.keys() & self.retired
        assert self.latest.keys() <= rows.keys()
        for row_id, record in rows.items():
            self._check(record)
            number, known = _login_of(record), self.latest.get(row_id, 0)
            assert number not in self.dead
            if number != known:  # saved late
                assert number > known
                self._logged_in(row_id, number, self.waiting[number])

    # ---- what is known

    def _log_in(
        self,
        handle: int,
        account: str,
        name: str | None,
        kinds: set[str],
        fields: dict[str, str],
        data: st.DataObject,
    ) -> None:
        number, identified = next(self.numbers), name == "Zoho"
        tokens: dict[str, Any] = {kind: f"{account}.{number}.{kind}" for kind in sorted(kinds)}
        expires_at_ms = self._expiry(tokens.get("access_token"), data)
        self.clients[number] = fields.get("client_id")
        tokens |= fields
        record = TokenRecord(
            user_name=ZOHOS_NAMES[account] if identified else name, expires_at_ms=expires_at_ms, **tokens
        )
        self.said.append(record)
        self._save(handle, record, number, identified)

    def _save(self, handle: int, record: TokenRecord, number: int, identified: bool) -> None:
        before = {row.id or "": row for row in self.repositories[handle].scan()}
        named = (record.user_name, record.client_id) if identified else None
        try:
            saved = self.repositories[handle].save(record, identified=identified)
        except BackendUnavailableError:
            self._late(handle).keep(record, Fence(), identified=identified)
            self.waiting[number] = named
        except ConflictError:
            assert record.id is not None
        else:
            row_id = saved.id or ""
            assert row_id not in self.retired
            assert _login_of(saved) == number
            if row_id in before:  # another user's login, or another client's, is never replaced
                for mine, theirs in zip(_owner(record), _owner(before[row_id]), strict=True):
                    assert mine is None or theirs is None or mine == theirs
            inherited = before[row_id].refresh_token if self._is_known(row_id, named) else None
            assert saved.refresh_token == (record.refresh_token or inherited)
            self._logged_in(row_id, number, named)

    def _is_known(self, row_id: str, named: tuple[str | None, str | None] | None) -> bool:
        return named is not None and self.named.get(row_id) == named

    def _logged_in(self, row_id: str, number: int, named: tuple[str | None, str | None] | None) -> None:
        self.latest[row_id] = number
        self.named.pop(row_id, None)
        if named is not None:
            self.named[row_id] = named

    def _gone(self, row_ids: list[str]) -> None:
        for row_id in row_ids:
            self.retired.add(row_id)
            self.dead.add(self.latest.pop(row_id))
            self.named.pop(row_id, None)

    def _check(self, record: TokenRecord, own: Iterable[str] = ()) -> None:
        """Its tokens are of one account and client, and of one login but for the refresh token.

        What a caller brought himself beside the stored refresh token stays, from an older login too.
        """
        held = _held(record)
        assert len({_account(token) for token in held.values()}) <= 1, held
        of_login = {name: token for name, token in held.items() if name not in {"refresh_token", *own}}
        assert len(set(map(_number, of_login.values()))) <= 1, held
        if record.refresh_token is not None:
            assert record.client_id in (None, self.clients[_number(record.refresh_token)])
        assert record.expires_at_ms in (None, self.expiries.get(record.access_token or ""))
        assert record.id not in self.retired

    def _record(self, token: Any) -> TokenRecord:
        fields: dict[str, Any] = {name: text for name, text in fields_of(token).items() if text is not None}
        expires = fields.pop("expires_in", None)
        return TokenRecord(**fields, expires_at_ms=None if expires is None else int(expires))

    def _expiry(self, access_token: str | None, data: st.DataObject) -> int | None:
        """Return when an access token ends, if that is said."""
        if access_token is None or data.draw(st.integers(0, 3)) == 0:
            return None
        self.expiries[access_token] = LATER + len(self.expiries)
        return self.expiries[access_token]

    def _ids(self) -> st.SearchStrategy[str]:
        return st.sampled_from(sorted({"chosen", *self.latest, *self.retired}))

    def _has_some_without_access(self, handle: int) -> bool:
        """Tell whether there is a login without an access token, which is renewed when it is looked up."""
        kept = [kept.record for kept in self._late(handle).kept]
        return any(record.access_token is None for record in [*self.repositories[handle].scan(), *kept])

    def _late(self, handle: int) -> PendingSaves:
        renewer = self.stores[handle]._renewer
        assert renewer is not None
        return renewer.pending_saves


@pytest.mark.clear
@pytest.mark.parametrize("kind", STORES)
def test_logins_never_mix(kind: str, refusing: Zoho, caplog: pytest.LogCaptureFixture) -> None:
    """No row and no answer holds tokens of two accounts; nothing deleted comes back; no login is lost."""
    caplog.set_level(logging.CRITICAL, "zoho_tokenstore")  # refused saves are expected by the hundred
    machine = type("LoginsOfAStore", (Logins,), {"kind": kind})
    chosen = settings(
        max_examples=max(1, settings().max_examples * STORES[kind][3] // 4), stateful_step_count=50
    )
    run_state_machine_as_test(machine, settings=chosen)
