"""The policy over a backend: conflicts, ids, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from zoho_tokenstore import _saving as saving
from zoho_tokenstore._ids import candidate_ids
from zoho_tokenstore._local_leases import LocalLeases
from zoho_tokenstore._saving import CONFLICT_TIMEOUT
from zoho_tokenstore._util import deadlines
from zoho_tokenstore._util.clock import now_ms
from zoho_tokenstore.backend import LeaseState, SupportsCount
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.errors import (
    BackendError,
    BackendUnavailableError,
    ConfigurationError,
    ConflictError,
    InvalidTokenError,
    RetiredIdError,
    RowChangedError,
    UnreadableRowError,
)
from zoho_tokenstore.events import Event, EventKind
from zoho_tokenstore.records import Row, TokenRecord, UnreadableRow
from zoho_tokenstore.repository import TokenRepository

ALICE = TokenRecord(user_name="alice", client_id="portal", access_token="a1", refresh_token="r1")


class Time:
    """A clock that only `sleep` moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


class ContestedBackend(ListBackend):
    """Somebody else is faster: so many writes are refused."""

    def __init__(self, refusals: float) -> None:
        super().__init__()
        self.refusals = refusals
        self.attempts = 0

    def write(self, row: Row, *, expect: object) -> object:
        self.attempts += 1
        if self.attempts <= self.refusals:
            raise RowChangedError("Row changed.")
        return super().write(row, expect=expect)


class FasterBackend(ListBackend):
    """Before the next write reaches it, another process's write does."""

    def __init__(self) -> None:
        super().__init__()
        self.first: Row | None = None

    def write(self, row: Row, *, expect: object) -> object:
        first, self.first = self.first, None
        if first is not None:
            stored = self.load(first.id)
            super().write(first, expect=None if stored is None else stored.etag)
        return super().write(row, expect=expect)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    """The time as the repository's waiting sees it."""
    time = Time()
    monkeypatch.setattr(deadlines, "time", SimpleNamespace(monotonic=time.monotonic, sleep=time.sleep))
    return time


@pytest.fixture
def backend() -> FasterBackend:
    return FasterBackend()


@pytest.fixture
def tokens(backend: FasterBackend) -> Iterator[TokenRepository]:
    with TokenRepository(backend) as tokens:
        yield tokens


class TestConflicts:
    @pytest.mark.parametrize("refusals", [0, 1, 5, 40])
    def test_a_save_is_tried_until_it_succeeds(self, time: Time, refusals: int) -> None:
        """However many writers are faster, the save is made in the end, after a pause for each."""
        backend = ContestedBackend(refusals)
        tokens = TokenRepository(backend)
        saved = tokens.save(ALICE)
        assert tokens.get(saved.id or "") == saved
        assert backend.attempts == refusals + 1
        assert len(time.pauses) == refusals

    def test_pauses_grow_to_a_bound_and_differ(self, time: Time) -> None:
        """Pauses grow from a millisecond to a twentieth of a second, and no two are alike."""
        TokenRepository(ContestedBackend(40)).save(ALICE)
        assert 0 < time.pauses[0] <= 0.001
        assert max(time.pauses) <= 0.05
        assert min(time.pauses[-20:]) >= 0.025
        assert len(set(time.pauses)) == len(time.pauses)

    def test_a_save_gives_up_at_the_deadline(self, time: Time) -> None:
        """Not after so many tries but after so much time the save is a `ConflictError`, and says so."""
        backend = ContestedBackend(float("inf"))
        with pytest.raises(
            ConflictError, match=r"others kept changing its row for 10 s.*try again"
        ) as conflict:
            TokenRepository(backend).save(ALICE)
        assert isinstance(conflict.value.__cause__, RowChangedError)
        assert not isinstance(conflict.value, RowChangedError)
        patience = CONFLICT_TIMEOUT.total_seconds()
        assert patience - 0.1 < time.now - 100 <= patience
        assert backend.attempts > 100

    @pytest.mark.clear
    def test_a_change_meanwhile_is_kept(
        self, time: Time, tokens: TokenRepository, backend: FasterBackend
    ) -> None:
        """A field that somebody else saves during a save is merged, not overwritten."""
        saved = tokens.save(ALICE)
        stored = backend.load(saved.id or "")
        assert stored is not None
        backend.first = stored._replace(redirect_url="https://meanwhile")
        again = tokens.save(TokenRecord(id=saved.id, access_token="a2"))
        assert (again.redirect_url, again.access_token) == ("https://meanwhile", "a2")
        assert tokens.get(saved.id or "") == again

    def test_an_insert_meanwhile_is_updated(
        self, time: Time, tokens: TokenRepository, backend: FasterBackend
    ) -> None:
        """Two that insert one owner at once arrive at one id: the later one updates that row."""
        elsewhere = ListBackend()
        first = ALICE.changed(access_token="a0", refresh_token=None, redirect_url="https://first")
        row_id = TokenRepository(elsewhere).save(first).id or ""
        backend.first = elsewhere.load(row_id)
        saved = tokens.save(ALICE)
        assert (saved.id, saved.access_token, saved.redirect_url) == (row_id, "a1", "https://first")
        assert tokens.count() == 1

    @pytest.mark.parametrize("by_id", [True, False], ids=["by its id", "by its user"])
    def test_a_delete_meanwhile_stays(
        self,
        time: Time,
        tokens: TokenRepository,
        backend: FasterBackend,
        monkeypatch: pytest.MonkeyPatch,
        by_id: bool,
    ) -> None:
        """A row that is deleted during a save stays away; a login that does not name it is a new row."""
        saved = tokens.save(ALICE)
        write, left = backend.write, iter([saved.id or ""])

        def write_after_a_delete(row: Row, *, expect: object) -> object:
            backend.remove(next(left, ""))
            return write(row, expect=expect)

        monkeypatch.setattr(backend, "write", write_after_a_delete)
        if by_id:
            with pytest.raises(RetiredIdError, match=r"deleted"):
                tokens.save(TokenRecord(id=saved.id, access_token="a2"))
            assert list(tokens.scan()) == []
        else:
            again = tokens.save(ALICE.changed(access_token="a2"))
            assert again.id != saved.id
            assert list(tokens.scan()) == [again]

    @pytest.mark.parametrize("error", [BackendError("broken"), ZeroDivisionError()], ids=repr)
    def test_other_failures_are_not_tried_again(
        self, time: Time, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        """A storage that fails is not asked twice: only conflicts are repeated."""
        backend = ListBackend()
        attempts = []

        def fail(row: Row, *, expect: object) -> object:
            attempts.append(row.id)
            raise error

        monkeypatch.setattr(backend, "write", fail)
        with pytest.raises(type(error)):
            TokenRepository(backend).save(ALICE)
        assert len(attempts) == 1
        assert time.pauses == []


class TestIds:
    @pytest.mark.parametrize(
        "stranger",
        [ALICE.changed(user_name="bob"), ALICE.changed(client_id="library")],
        ids=["another user", "another client"],
    )
    def test_a_foreign_id_is_refused(self, tokens: TokenRepository, stranger: TokenRecord) -> None:
        """A token under somebody else's id is a `ConflictError` that names the id; no row changes."""
        alice = tokens.save(ALICE)
        bob = tokens.save(TokenRecord(user_name="bob", access_token="b"))
        before = list(tokens.scan())
        with pytest.raises(ConflictError, match=rf"{alice.id}.*another user or client") as conflict:
            tokens.save(stranger.changed(id=alice.id))
        assert not isinstance(conflict.value, RowChangedError)
        assert list(tokens.scan()) == before
        assert {record.id for record in before} == {alice.id, bob.id}

    def test_the_first_free_candidate_is_taken(self, tokens: TokenRepository) -> None:
        """Where another owner has the derived id, the next in sequence is taken, and found again."""
        first, second, third = (
            id_ for id_, _ in zip(candidate_ids(ALICE, this_hour()), range(3), strict=False)
        )
        for number, taken in enumerate((first, second)):
            tokens.save(ALICE.changed(id=taken, user_name=f"stranger{number}"))
        assert tokens.save(ALICE).id == third
        assert tokens.save(ALICE).id == third
        assert tokens.count() == 3

    def test_an_own_row_elsewhere_keeps_its_id(self, tokens: TokenRepository) -> None:
        """A row of the owner's that has another id, as in an adopted database, is updated there."""
        tokens.save(ALICE.changed(id="1", access_token="a0"))
        assert tokens.save(ALICE).id == "1"
        assert tokens.count() == 1


class TestRefusals:
    @pytest.mark.parametrize(
        "record",
        [
            TokenRecord(),
            TokenRecord(id="1"),
            TokenRecord(user_name="alice", client_id="portal", client_secret="s"),
            TokenRecord(id="1", access_token=""),
        ],
        ids=["nothing", "an id", "a user and client", "an empty token"],
    )
    def test_a_record_without_a_token_is_refused(self, tokens: TokenRepository, record: TokenRecord) -> None:
        """What has neither access nor refresh nor grant token is no token, and is not stored."""
        with pytest.raises(InvalidTokenError, match="no access, refresh or grant token"):
            tokens.save(record)
        assert tokens.count() == 0

    @pytest.mark.parametrize("token_id", [None, 1, b"1", ["1"]], ids=repr)
    def test_an_id_is_text(self, tokens: TokenRepository, token_id: str) -> None:
        """`get` and `delete` refuse an id that is no text, and nothing is deleted."""
        tokens.save(ALICE.changed(id="1"))
        with pytest.raises(InvalidTokenError, match="needs the id of a token"):
            tokens.get(token_id)
        with pytest.raises(InvalidTokenError, match="needs the id of a token"):
            tokens.delete(token_id)
        assert tokens.count() == 1

    def test_a_lone_surrogate_is_no_id(self, tokens: TokenRepository) -> None:
        """An id that is no valid Unicode text is refused, not unknown."""
        with pytest.raises(InvalidTokenError, match="surrogate"):
            tokens.get("a\ud800")


class TestBookkeeping:
    def test_times_are_the_repositorys(self) -> None:
        """A row keeps when it was made; every save notes its own time; the caller's are not stored."""
        now = [1000]
        tokens = TokenRepository(ListBackend(), clock=lambda: now[0])
        first = tokens.save(ALICE.changed(created_at_ms=5, updated_at_ms=6, last_used_at_ms=7))
        assert (first.created_at_ms, first.updated_at_ms, first.last_used_at_ms) == (1000, 1000, None)
        now[0] = 2000
        again = tokens.save(first.changed(created_at_ms=5, updated_at_ms=6))
        assert (again.created_at_ms, again.updated_at_ms) == (1000, 2000)

    def test_a_save_returns_what_is_stored(self, tokens: TokenRepository) -> None:
        """What `save` returns is what a look-up gives then, filled by what was stored before."""
        first = tokens.save(ALICE)
        again = tokens.save(ALICE.changed(access_token="a2", client_secret=None))
        assert (
            again
            == tokens.get(first.id or "")
            == first.changed(access_token="a2", updated_at_ms=again.updated_at_ms)
        )

    def test_count_scan_and_clear_agree(self, tokens: TokenRepository) -> None:
        """`scan` yields as many tokens as `count` says and `clear` removes, in the order of ids."""
        for number in (3, 1, 2):
            tokens.save(TokenRecord(id=str(number), access_token=f"a{number}"))
        assert [record.id for record in tokens.scan()] == ["1", "2", "3"]
        assert tokens.count() == tokens.clear() == 3
        assert tokens.count() == tokens.clear() == 0

    def test_the_user_whom_zoho_named_is_noted(self, tokens: TokenRepository) -> None:
        """When Zoho named the user stands beside the login, as long as it is the same one."""
        first = tokens.save(ALICE, identified=True)
        assert first.identified_at_ms is not None
        assert tokens.save(ALICE.changed(access_token="a2")).identified_at_ms == first.identified_at_ms
        assert tokens.save(ALICE.changed(refresh_token="r2")).identified_at_ms is None


class TestUnreadableRows:
    """A row that cannot be read harms its own user at most."""

    @pytest.fixture
    def events(self) -> list[Event]:
        return []

    @pytest.fixture
    def tokens(self, backend: FasterBackend, events: list[Event]) -> Iterator[TokenRepository]:
        with TokenRepository(backend, on_event=events.append) as tokens:
            yield tokens

    @pytest.fixture
    def bad(self, backend: FasterBackend, monkeypatch: pytest.MonkeyPatch) -> UnreadableRow:
        """What the storage finds beside its rows, under the name of bob."""
        bad, find, scan = UnreadableRow("1", "access_token is no text"), backend.find, backend.scan

        def find_bad(index: str, *keys: str) -> list[Any]:
            return [bad, *find(index, *keys)] if "bob" in keys else find(index, *keys)

        monkeypatch.setattr(backend, "find", find_bad)
        monkeypatch.setattr(backend, "scan", lambda **page: iter([bad, *scan(**page)]))
        return bad

    def test_lists_go_on_past_it(
        self, tokens: TokenRepository, bad: UnreadableRow, events: list[Event]
    ) -> None:
        """A list leaves it out and says so; it counts as a row; an event tells its id and reason."""
        alice = tokens.save(ALICE)
        scan = tokens.scan()
        assert list(scan) == [alice]
        assert scan.unreadable == [bad]
        assert tokens.count() == 2
        told = [event for event in events if event.kind is EventKind.ROW_UNREADABLE]
        assert [(event.token_id, event.reason) for event in told] == [(bad.id, bad.reason)]

    def test_it_is_logged_once_and_not_without_end(
        self, tokens: TokenRepository, backend: FasterBackend, monkeypatch: pytest.MonkeyPatch, caplog: Any
    ) -> None:
        """Each of the first rows is logged once; of a thousand, there are twenty lines and a last one."""
        rows = [UnreadableRow(str(number), "broken") for number in range(1000)]
        monkeypatch.setattr(backend, "scan", lambda **page: iter(rows))
        for _ in range(3):
            assert list(tokens.scan()) == []
        lines = [line for line in caplog.messages if "cannot be read" in line]
        assert len(lines) == 21
        assert "'0'" in lines[0]
        assert "broken" in lines[0]

    def test_it_is_no_absence(self, tokens: TokenRepository, bad: UnreadableRow) -> None:
        """Who asks for it by name alone is told, and not that there is none."""
        with pytest.raises(UnreadableRowError, match=r"'1'.*access_token is no text") as refused:
            tokens.find(TokenRecord(user_name="bob"))
        assert (refused.value.row_id, refused.value.reason) == (bad.id, bad.reason)

    def test_an_empty_id_is_none(self, tokens: TokenRepository, backend: FasterBackend) -> None:
        """A row that others wrote with an empty id is told, and its user logs in beside it."""
        backend.write(Row(id="", user_name="alice", access_token="a0"), expect=None)
        scan = tokens.scan()
        assert list(scan) == []
        assert scan.unreadable == [UnreadableRow("", "its id is empty")]
        saved = tokens.save(ALICE)
        assert saved.id
        assert tokens.find(TokenRecord(user_name="alice")) == saved

    def test_its_user_can_log_in(self, tokens: TokenRepository, bad: UnreadableRow) -> None:
        """Its user logs in beside it: the look-up with a code says none, the login gets another row."""
        login = ALICE.changed(user_name="bob", client_secret="s", grant_token="g2")
        assert tokens.find(login.changed(access_token=None, refresh_token=None)) is None
        saved = tokens.save(login)
        assert saved.id != bad.id
        assert tokens.find(TokenRecord(user_name="bob")) == saved

    @pytest.mark.clear
    def test_an_expiry_of_others_is_renewed(self, tokens: TokenRepository, backend: FasterBackend) -> None:
        """A row whose expiry is no number is found as expired, and a save puts it right."""
        saved = tokens.save(ALICE)
        stored = backend.load(saved.id or "")
        assert stored is not None
        backend.write(stored._replace(expiry_time="soon"), expect=stored.etag)
        found = tokens.find(TokenRecord(user_name="alice"))
        assert found is not None
        assert found.expires_at_ms == 0
        tokens.save(found.changed(access_token="a2", expires_at_ms=5))
        assert getattr(backend.load(saved.id or ""), "expiry_time", None) == "5"


def this_hour() -> int:
    return now_ms() // 3_600_000


@pytest.mark.parametrize("older_than", [3600, None, timedelta(seconds=-1)])
def test_retired_ids_are_pruned_by_a_duration(older_than: Any) -> None:
    """A number or a negative duration is refused: it would forget ids that were retired just now."""
    tokens = TokenRepository(ListBackend())
    with pytest.raises(ConfigurationError, match="older_than must be a timedelta"):
        tokens.prune_retired(older_than)


def test_a_fence_shows_no_token() -> None:
    """It stands in frames, which error collectors send along."""
    assert "1000." not in repr(saving.Fence("1000.access", "1000.refresh"))


class LostLeases(LocalLeases):
    """Leases of a storage that fails."""

    def read(self, name: str) -> LeaseState:
        raise BackendUnavailableError("Gone.")


@pytest.mark.parametrize(
    ("delete", "kind"),
    [
        (lambda tokens, token_id: tokens.delete(token_id), EventKind.DELETED),
        (lambda tokens, token_id: tokens.delete_if(token_id, lambda _: True), EventKind.DELETED),
        (lambda tokens, _: tokens.clear(), EventKind.CLEARED),
    ],
    ids=["delete", "delete_if", "clear"],
)
def test_a_deletion_is_reported_whatever_fails_after_it(
    delete: Callable[[TokenRepository, str], object], kind: EventKind
) -> None:
    """The row is gone: a repetition would find nothing, and report nothing."""
    backend, events = ListBackend(), list[Event]()
    with TokenRepository(backend, on_event=events.append) as tokens:
        saved = tokens.save(ALICE)
        tokens.replaced._remembered._leases = LostLeases()
        with pytest.raises(BackendUnavailableError, match="Gone"):
            delete(tokens, saved.id or "")
        assert tokens.count() == 0
    assert events[-1].kind == kind


class CountingBackend(ListBackend, SupportsCount):
    """Knows how many rows it has."""

    def count(self) -> int:
        return 42

    def scan(self, *, after: str | None = None, limit: int | None = None) -> Iterator[Row]:
        raise AssertionError("the rows were read")


def test_count_reads_no_row_where_the_storage_can_count() -> None:
    """The backend is asked; only one that cannot count is read."""
    with TokenRepository(CountingBackend()) as tokens, TokenRepository(ListBackend()) as others:
        others.save(ALICE)
        assert (tokens.count(), others.count()) == (42, 1)
