"""What somebody without a key can do who writes to the database: nothing but delete, or put back."""

from __future__ import annotations

import logging
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sealing.support import (
    ALICE,
    BOB,
    FAR,
    OLD,
    change,
    login,
    queries,
    replaced,
    repository,
    secret,
)
from tests.support.hostile import TEXTS
from zoho_tokenstore import (
    Event,
    RepositoryStore,
    TokenRecord,
    TokenRepository,
    TokenStoreError,
)
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.records import BOOKKEEPING, COLUMNS, LOOKUPS, SECRET_COLUMNS, Row
from zoho_tokenstore.testing import make_token

MALLORY = login("mallory@zylker.example")
PEOPLE: Final = (ALICE, BOB, MALLORY)


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "zoho_tokenstore")  # refused rows are expected by the hundred


class Database(ListBackend):
    """A list that somebody edits who knows no rules, and no key."""

    @property
    def rows(self) -> list[Row]:
        return self._rows

    @rows.setter
    def rows(self, rows: list[Row]) -> None:
        self._rows = rows


class World:
    """Three users' rows as they were sealed, in two versions each; and what may be read of them.

    `tokens` are the two versions of each token, by the id of its row.
    """

    def __init__(self) -> None:
        self.backend = Database()
        tokens = repository(self.backend, OLD)
        self.tokens: dict[str, list[TokenRecord]] = {}
        for person in PEOPLE:
            first = tokens.save(person)
            self.tokens[first.id or ""] = [first]
        self.older = list(self.backend.scan())
        for row_id, versions in self.tokens.items():
            renewed = f"{secret('renewed', row_id)}"
            versions.append(
                tokens.save(TokenRecord(id=row_id, access_token=renewed, expires_at_ms=FAR + 1_000))
            )
        self.newer = list(self.backend.scan())

    def texts(self) -> list[str]:
        """All that is stored anywhere."""
        rows = [*self.older, *self.newer]
        return [
            text
            for row in rows
            for text in (*row[: len(COLUMNS)], *row.digests.values())
            if isinstance(text, str) and text
        ]


WORLD: Final = World()
READABLE: Final = ("expiry_time", "user_name", "client_id", "api_domain", "id")
ALL: Final = (*COLUMNS, *BOOKKEEPING, "digests", "secrets")
TEXT: Final = st.none() | st.sampled_from(WORLD.texts()) | TEXTS | st.just("")
TIME: Final = st.none() | st.integers(0, 2**53)


@st.composite
def edited_rows(draw: st.DrawFn) -> list[Row]:
    """The rows after some edits: texts of other rows or of nobody, nulls, whole rows of before."""
    rows = [draw(st.sampled_from(pair)) for pair in zip(WORLD.older, WORLD.newer, strict=True)]
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(rows) - 1))
        rows[at] = draw(edits(rows[at]))
    if draw(st.booleans()):
        rows.append(draw(edits(draw(st.sampled_from(rows)))))
    by_id = {row.id: row._replace(etag=number) for number, row in enumerate(rows)}
    return list(by_id.values())


def edits(row: Row) -> st.SearchStrategy[Row]:
    """One column that counts alone, or several at once."""
    return st.one_of(one_edit(row), several_edits(row))


@st.composite
def one_edit(draw: st.DrawFn, row: Row) -> Row:
    """What is readable, or the box, or the digests, taken from another row, or made up."""
    name = draw(
        st.sampled_from(["expiry_time", "user_name", "client_id", "api_domain", "id", "digests", "box"])
    )
    other = draw(st.sampled_from([*WORLD.older, *WORLD.newer]))
    if name == "digests":
        return row._replace(digests={**row.digests, **other.digests})
    if name == "box":
        return row._replace(client_secret=other.client_secret)
    text = st.sampled_from([str(FAR + 9_000), "mallory@zylker.example", getattr(other, name)])
    return replaced(row, **{name: draw(text)})


@st.composite
def several_edits(draw: st.DrawFn, row: Row) -> Row:
    names = draw(
        st.sets(st.sampled_from((*COLUMNS, *BOOKKEEPING, "digests", "secrets")), min_size=1, max_size=4)
    )
    changed: dict[str, Any] = {}
    for name in sorted(names):
        if name in BOOKKEEPING:
            changed[name] = draw(TIME)
        elif name == "digests":
            changed[name] = draw(st.dictionaries(st.sampled_from(LOOKUPS), TEXT.filter(bool), max_size=4))
        elif name == "secrets":
            changed |= dict.fromkeys(SECRET_COLUMNS, draw(st.none() | st.just("")))
        elif name == "id":
            changed[name] = draw(st.sampled_from([*WORLD.tokens, "1", "9000000000"]))
        else:
            changed[name] = draw(TEXT)
    return replaced(row, **changed)


def after(rows: list[Row], **options: Any) -> TokenRepository:
    backend = Database()
    backend.rows = rows
    return repository(backend, OLD, **options)


def check(found: TokenRecord | None, asked: TokenRecord) -> None:
    """What was found is a version of the one token that was asked for, unchanged."""
    if found is None:
        return
    versions = WORLD.tokens[found.id or ""]
    assert found.changed(last_used_at_ms=None) in versions, "a token that was never stored like this"
    owner = versions[0]
    for name in ("id", "user_name"):
        assert getattr(asked, name) in (None, getattr(owner, name)), "somebody else's"
    for name in ("access_token", "refresh_token", "grant_token"):
        if asked.id is None and asked.user_name is None and getattr(asked, name):
            assert getattr(asked, name) == getattr(found, name), "somebody else's"


@given(rows=edited_rows())
def test_no_edit_brings_a_token_to_anybody_but_its_owner(rows: list[Row]) -> None:
    """By id, name or secret: the owner's own token as it was, an error, or none. Never another expiry."""
    tokens = after(rows)
    asked = [TokenRecord(id=row_id) for row_id in (*WORLD.tokens, "1", "9000000000")]
    for person in PEOPLE:
        asked += queries(person).values()
    for query in asked:
        try:
            check(tokens.find(query), query)
        except TokenStoreError:
            continue
    for found in tokens.scan():
        check(found, TokenRecord(id=found.id))


@given(rows=edited_rows())
def test_nor_through_the_sdk(rows: list[Row]) -> None:
    """The six methods neither."""
    store = RepositoryStore(after(rows), refresh=None)
    for person in PEOPLE:
        for fields in ({"user_name": person.user_name}, {"access_token": person.access_token}):
            try:
                token = store.find_token(make_token(**fields))
            except TokenStoreError:
                continue
            if token is not None:
                owner = WORLD.tokens[token.get_id()][0]
                assert token.get_refresh_token() == person.refresh_token == owner.refresh_token
    for token in store.get_tokens():
        versions = WORLD.tokens[token.get_id()]
        assert (token.get_access_token(), token.get_user_signature().get_name()) in [
            (version.access_token, version.user_name) for version in versions
        ]


@given(rows=edited_rows(), data=st.data())
def test_no_login_is_sealed_into_somebody_elses_row(rows: list[Row], data: st.DataObject) -> None:
    """Alice logs in after such edits: what she gets is hers, and no id of others leads to it."""
    tokens = after(rows)
    record = ALICE.changed(
        refresh_token="1000.alice-again",
        access_token="1000.alice-now",
        expires_at_ms=FAR + 5,
        grant_token=None,
    )
    before = [row for row in rows if row.id in WORLD.tokens]
    try:
        saved = tokens.save(record, identified=data.draw(st.booleans()))
    except TokenStoreError:
        return
    owner = next(
        row_id for row_id, versions in WORLD.tokens.items() if versions[0].user_name == ALICE.user_name
    )
    assert saved.id == owner or saved.id not in {row.id for row in before}
    for row_id in (*WORLD.tokens, "1"):
        if row_id not in (owner, saved.id):
            try:
                found = tokens.get(row_id)
            except TokenStoreError:
                continue
            assert found is None or found.access_token != record.access_token


class TestRenamedRow:
    """Mallory's row given Alice's name, and emptied, so that her login would go there."""

    @pytest.fixture
    def mallory(self, backend: Backend) -> str:
        return repository(backend, OLD).save(MALLORY).id or ""

    @pytest.mark.parametrize("left", ["nothing", "the box", "the digests", "both", "a clear client secret"])
    def test_her_login_is_stored_elsewhere(self, backend: Backend, mallory: str, left: str) -> None:
        """Under a new id; Mallory's gives nothing, as long as it is there."""
        emptied: dict[str, Any] = {"user_name": ALICE.user_name}
        if left in ("nothing", "the digests", "a clear client secret"):
            emptied |= dict.fromkeys(SECRET_COLUMNS)
        if left in ("nothing", "the box"):
            emptied["digests"] = {}
        if left == "a clear client secret":
            emptied |= {"client_secret": "planted", "digests": {}}
        change(backend, mallory, **emptied)
        events: list[Event] = []
        tokens = repository(backend, OLD, on_event=events.append)
        assert tokens.find(ALICE.changed(redirect_url="https://portal.example/oauth")) is None
        assert (events[0].kind, events[0].token_id) == ("row_unreadable", mallory)
        saved = tokens.save(ALICE, identified=True)
        assert saved.id != mallory
        assert tokens.get(saved.id or "") == saved
        assert tokens.find(TokenRecord(user_name=ALICE.user_name)) == saved
        with pytest.raises(TokenStoreError):
            tokens.get(mallory)
        again = tokens.save(ALICE.changed(access_token="1000.alice-now"), identified=True)
        assert again.id == saved.id
        with pytest.raises(TokenStoreError):
            repository(backend, OLD).get(mallory)

    def test_nor_where_her_own_row_was_taken_away(self, backend: Backend, mallory: str) -> None:
        """Hers deleted, Mallory's in its place under her name: her next login has a new id."""
        tokens = repository(backend, OLD)
        own = tokens.save(ALICE)
        backend.remove(own.id or "")
        change(backend, mallory, user_name=ALICE.user_name, **dict.fromkeys(SECRET_COLUMNS), digests={})
        saved = tokens.save(ALICE.changed(refresh_token="1000.again"))
        assert saved.id not in (mallory, own.id)
        assert [record.id for record in tokens.scan()] == [saved.id]


class TestExpiry:
    """The expiry of a row changed: a dead token would be served, or a good one never."""

    @pytest.mark.parametrize(
        "expiry", ["x", "4133980800000", "4102444800000.0", "1.79E+12", "None", "0", "", None, "9" * 5_000]
    )
    def test_it_is_refused(self, backend: Backend, expiry: str | None) -> None:
        """Whatever stands there; the user logs in again beside it."""
        tokens = repository(backend, OLD)
        saved = tokens.save(ALICE)
        change(backend, saved.id, expiry_time=expiry)
        for query in (TokenRecord(id=saved.id), TokenRecord(user_name=ALICE.user_name)):
            with pytest.raises(TokenStoreError, match=saved.id):
                tokens.find(query)
        again = tokens.save(ALICE)
        assert again.id != saved.id
        assert again.expires_at_ms == ALICE.expires_at_ms
        assert tokens.find(TokenRecord(user_name=ALICE.user_name)) == again
