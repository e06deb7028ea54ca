"""No frame of ours holds an opened secret or a key where an exception of ours is raised."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.sealing.frames import shown
from tests.sealing.support import (
    ALICE,
    BOB,
    CLIENT,
    FOREIGN,
    NEW,
    OLD,
    box_of,
    change,
    change_digests,
    login,
    queries,
    repository,
    secrets_of,
    stored,
)
from zoho_tokenstore import (
    BackendError,
    BackendUnavailableError,
    ConfigurationError,
    ConflictError,
    Event,
    InvalidTokenError,
    Keyset,
    SealingError,
    TokenRecord,
    TokenRepository,
    TokenStoreError,
)
from zoho_tokenstore._saving import CONFLICT_TIMEOUT
from zoho_tokenstore.backend import Backend, SupportsRehearsal
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.copying._endpoints import Endpoint
from zoho_tokenstore.copying._passes import copy_rows
from zoho_tokenstore.errors import RowChangedError, UnreadableRowError
from zoho_tokenstore.records import SECRET_COLUMNS, Found, Row, UnreadableRow
from zoho_tokenstore.sealing import SealingKey, reseal
from zoho_tokenstore.sealing._cipher import AESGCMCipher

KEYS = (OLD, NEW, FOREIGN)


def secrets(*users: TokenRecord) -> set[str]:
    return {str(getattr(user, column)) for user in users for column in SECRET_COLUMNS}


def forms_of(key: SealingKey) -> set[str]:
    return {key.to_text(), key.to_text().removeprefix("ztk1_"), repr(key._material)}


def check(error: BaseException, *passed: object) -> None:
    """Nothing of the users' secrets and of the keys is reached from a frame of ours."""
    told = shown(error, passed)
    own = {text for given in passed if isinstance(given, TokenRecord) for text in secrets(given)}
    assert not told & (secrets(ALICE, BOB) - own), "an opened secret"
    forms = {form for key in KEYS for form in forms_of(key)}
    assert not [text for text in told for form in forms if form in text], "a key"


def failing(call: Callable[[], object]) -> TokenStoreError:
    """Call it; return what it raises, with its traceback."""
    with pytest.raises(TokenStoreError) as refused:
        call()
    return refused.value


class Kept(ListBackend, SupportsRehearsal):
    """A list that cannot read a row, or has others change every row before it is written."""

    unreadable: str | None = None
    is_disturbed = False

    def load(self, row_id: str) -> Row | None:
        if row_id == self.unreadable:
            raise UnreadableRowError.of(row_id, "a time is no number", self.location)
        return super().load(row_id)

    def find(self, index: str, *keys: str) -> list[Found]:  # type: ignore[override]
        found = super().find(index, *keys)
        return [UnreadableRow(row.id, "x") if row.id == self.unreadable else row for row in found]

    def rehearse(self, row: Row, *, expect: object) -> None:
        """Nothing can fail here."""

    def write(self, row: Row, *, expect: object) -> object:
        if self.is_disturbed:
            raise RowChangedError(f"Row {row.id!r} has changed since it was read.")
        return super().write(row, expect=expect)


@pytest.fixture
def backend() -> Kept:
    return Kept()


@pytest.fixture
def tokens(backend: Kept) -> TokenRepository:
    """Has read all rows twice, so that what is kept of them is kept."""
    tokens = repository(backend, OLD, NEW)
    for user in (ALICE, BOB):
        saved = tokens.save(user)
        for _ in range(3):
            tokens.get(saved.id or "")
            tokens.find(TokenRecord(user_name=user.user_name))
    return tokens


@pytest.fixture
def alice(backend: Kept, tokens: TokenRepository) -> str:
    found = tokens.find(TokenRecord(user_name=ALICE.user_name))
    assert found is not None
    return found.id or ""


VERIFY_FAILED: dict[str, Callable[[Row], Row]] = {
    "expiry": lambda row: row._replace(expiry_time="x"),
    "owner": lambda row: row._replace(client_id="mallory"),
    "box": lambda row: row._replace(client_secret=box_of(row)[:-8] + "AAAAAAAA"),
    "no box": lambda row: row._replace(client_secret=None),
    "beside": lambda row: row._replace(access_token="1000.planted"),
    "missing key": lambda row: row._replace(client_secret=box_of(row).replace(OLD.id, "00000000")),
}


class TestRefusals:
    @pytest.mark.parametrize("spoil", VERIFY_FAILED.values(), ids=VERIFY_FAILED)
    def test_of_a_row_that_does_not_open(
        self, backend: Kept, tokens: TokenRepository, alice: str, spoil: Callable[[Row], Row]
    ) -> None:
        """By each look-up and save; also where it was opened before, and the token is kept in memory."""
        row = stored(backend, alice)
        backend.write(spoil(row), expect=row.etag)
        record = TokenRecord(id=alice, access_token="1000.renewed")
        for call in (
            lambda: tokens.get(alice),
            lambda: tokens.find(TokenRecord(id=alice)),
            lambda: tokens.save(record),
            lambda: tokens.target(record),
            lambda: tokens.prove_writable(record),
        ):
            error = failing(call)
            assert isinstance(error, SealingError)
            check(error)

    def test_of_a_row_beside_others_of_its_key(
        self, backend: Kept, tokens: TokenRepository, alice: str
    ) -> None:
        """A name leads to two rows, one opens, and does not match: it is not in the refusal's frames."""
        again = tokens.save(ALICE.changed(id=None, client_id="1000.OTHER", access_token="1000.other"))
        assert again.id != alice
        change(backend, again.id, expiry_time="x")
        query = TokenRecord(user_name=ALICE.user_name, client_id="1000.OTHER")
        error = failing(lambda: tokens.find(query))
        assert isinstance(error, SealingError)
        check(error, query)

    def test_of_a_digest_that_was_moved(self, backend: Kept, tokens: TokenRepository, alice: str) -> None:
        """The row opens; what is in it is not in the frames of the refusal."""
        carol = tokens.save(login("carol"))
        change_digests(backend, alice, access_token=stored(backend, carol.id).digests["access_token"])
        tokens.delete(carol.id or "")
        query = queries(login("carol"))["access_token"]
        error = failing(lambda: tokens.find(query))
        assert isinstance(error, SealingError)
        check(error, query)

    def test_of_a_row_that_cannot_be_read(self, backend: Kept, tokens: TokenRepository, alice: str) -> None:
        """By id, by a name that leads to another row as well, and in a save."""
        tokens.save(ALICE.changed(id=None, client_id="1000.OTHER", access_token="1000.other"))
        backend.unreadable = alice
        named = TokenRecord(user_name=ALICE.user_name, client_id="1000.ZYLKER")
        record = TokenRecord(id=alice, access_token="1000.renewed")
        for call in (
            lambda: tokens.get(alice),
            lambda: tokens.find(named),
            lambda: tokens.save(record),
        ):
            error = failing(call)
            assert isinstance(error, UnreadableRowError)
            check(error, named, record)

    def test_of_a_save_that_others_disturb(
        self, backend: Kept, tokens: TokenRepository, alice: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nor in the frames of the `RowChangedError` behind it, which had the stored token beside the new."""
        monkeypatch.setattr("zoho_tokenstore._saving.CONFLICT_TIMEOUT", CONFLICT_TIMEOUT / 1000)
        backend.is_disturbed = True
        record = TokenRecord(id=alice, access_token="1000.renewed")
        error = failing(lambda: tokens.save(record))
        assert isinstance(error, ConflictError)
        assert isinstance(error.__cause__, RowChangedError)
        check(error)

    def test_of_an_id_that_is_anothers(self, tokens: TokenRepository, alice: str) -> None:
        """The row of that id was opened to see whose it is."""
        for record in (
            TokenRecord(id=alice, user_name="mallory", access_token="1000.m"),
            TokenRecord(id=alice, client_id="1000.MALLORY", access_token="1000.m"),
        ):
            error = failing(partial(tokens.save, record))
            assert isinstance(error, ConflictError)
            check(error)

    def test_of_a_secret_that_cannot_be_sealed(self, backend: Kept) -> None:
        """Neither the key, nor what was read of a clear row that is to be sealed."""
        clear = repository(backend, "clear", OLD).save(ALICE)
        change(backend, clear.id, grant_token="a\0b")
        tokens = repository(backend, NEW, "clear")
        record = TokenRecord(id=clear.id, access_token="1000.renewed", user_name=ALICE.user_name)
        error = failing(lambda: tokens.save(record))
        assert isinstance(error, InvalidTokenError)
        check(error)
        assert reseal(backend, Keyset([NEW, "clear"])).unreadable == {clear.id}

    def test_of_a_store_that_fails_under_a_resealing(self, backend: Kept) -> None:
        """A clear row that was to be sealed is not in the frames of the storage's error."""

        class Failing(Kept):
            def scan(self, *, after: str | None = None, limit: int | None = None) -> Iterator[Row]:
                return backend.scan(after=after, limit=limit)

            def write(self, row: Row, *, expect: object) -> object:
                raise BackendError("The disk is full.")

        repository(backend, "clear", OLD).save(ALICE)
        with pytest.raises(BackendError) as refused:
            reseal(Failing(), Keyset([NEW, "clear"]))
        check(refused.value)

    def test_of_a_store_that_fails_under_a_copy(self, backend: Kept, tokens: TokenRepository) -> None:
        """A row that was opened to be copied is not in the frames of the destination's error."""

        class Failing(ListBackend):
            def write(self, row: Row, *, expect: object) -> object:
                raise BackendUnavailableError("The server is away.")

        tokens.save(ALICE)
        target = Endpoint(Failing(), AESGCMCipher(Keyset([NEW])))
        with pytest.raises(BackendUnavailableError) as refused:
            copy_rows(Endpoint(backend, AESGCMCipher(Keyset([OLD]))), target)
        check(refused.value)

    def test_the_observer_gets_it_like_this(self, backend: Kept, tokens: TokenRepository, alice: str) -> None:
        """An event carries the error, and error collectors are called from there."""
        change(backend, alice, expiry_time="x")
        events: list[Event] = []
        watched = repository(backend, OLD, on_event=events.append)
        failing(lambda: watched.save(TokenRecord(id=alice, access_token="1000.renewed")))
        (error,) = (event.error for event in events if event.error is not None)
        check(error)


class TestKeys:
    """The keys themselves, where something is wrong with one of them."""

    def test_no_error_about_keys_has_one_in_its_frames(self, tmp_path: Path) -> None:
        """Neither those that are right, nor the one that is not, of a file, a text or a function."""
        file = tmp_path / "keys"
        file.touch(mode=0o600)
        damaged = NEW.to_text()[:-2] + "!!"
        file.write_text(f"{OLD.to_text()}\n{damaged}\n")
        text = file.read_text()
        makers: list[Callable[[], object]] = [
            lambda: Keyset.from_file(file),
            lambda: Keyset.from_callable(lambda: [OLD.to_text(), damaged]),
            lambda: Keyset.from_callable(lambda: [OLD, OLD]),
            lambda: TokenRepository(ListBackend(), keys=f"file:{file}"),
        ]
        for make in makers:
            with pytest.raises(ConfigurationError) as refused:
                make()
            check(refused.value)
            assert not [told for told in shown(refused.value) if damaged in told or text in told]

    def test_of_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The variable's text is in no frame of ours either."""
        monkeypatch.setenv("ZOHO_TOKENSTORE_KEYS", f"{OLD.to_text()} {NEW.to_text()}x")
        with pytest.raises(ConfigurationError) as refused:
            TokenRepository(ListBackend())
        check(refused.value)

    def test_of_a_file_that_is_no_text(self, tmp_path: Path) -> None:
        """The decoder's error, which has the bytes, is not behind ours."""
        file = tmp_path / "keys"
        file.touch(mode=0o600)
        file.write_bytes(OLD.to_text().encode() + b"\xff")
        with pytest.raises(ConfigurationError, match="not UTF-8 text") as refused:
            Keyset.from_file(file)
        assert refused.value.__context__ is None
        check(refused.value)

    def test_of_one_that_is_missing(self, tmp_path: Path) -> None:
        """What is raised when a key is looked for in a file, and in vain: with its cause."""
        backend, file = ListBackend(), tmp_path / "portal.keys"
        row_id = repository(backend, FOREIGN).save(ALICE).id or ""
        file.touch(mode=0o600)
        file.write_text(Keyset([OLD, NEW]).to_text())
        tokens = TokenRepository(backend, keys=Keyset.from_file(file))
        check(failing(lambda: tokens.get(row_id)))
        file.write_text(f"{OLD.to_text()} {NEW.to_text()}!")
        error = failing(lambda: tokens.get(row_id))
        assert isinstance(error.__cause__, ConfigurationError)
        check(error)


class TestTheWalk:
    """What the other tests rely on."""

    def test_it_finds_what_a_frame_holds(self) -> None:
        """In a row, a record, a key, a container, and behind a cause."""
        values: dict[str, Any] = {"__name__": "zoho_tokenstore.made_up"}
        exec(
            "def fail(thing):\n    try:\n        raise ValueError\n"
            "    except ValueError as error:\n        raise RuntimeError from error\n"
            "def outer(thing):\n    try:\n        fail(thing)\n    finally:\n        thing = None\n",
            values,
        )
        row = Row("1", access_token=ALICE.access_token)
        for thing in (row, ALICE, OLD, [[row]], {"row": (ALICE,)}, Keyset([OLD]).current):
            with pytest.raises(RuntimeError) as refused:
                values["outer"](thing)
            with pytest.raises(AssertionError, match=r"opened secret|a key"):
                check(refused.value)

    def test_it_passes_over_what_was_passed(self, backend: Backend) -> None:
        """What the caller gave is in his own frames: it is not ours to hide."""
        record = TokenRecord(id="1", user_name="x", access_token=ALICE.access_token, **CLIENT)
        tokens = repository(backend, OLD)
        tokens.save(BOB.changed(id="1"))
        error = failing(lambda: tokens.save(record))
        assert set(secrets_of(Row("1", access_token=record.access_token))) & shown(error)
        check(error, record)
