"""The policy over a backend: conflicts, ids, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from zoho_tokenstore import matching, repository
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.errors import BackendError, ConflictError, InvalidTokenError, RowChangedError
from zoho_tokenstore.records import Row, TokenRecord
from zoho_tokenstore.repository import CONFLICT_PATIENCE, TokenRepository

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
    monkeypatch.setattr(repository, "time", SimpleNamespace(monotonic=time.monotonic, sleep=time.sleep))
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
        with pytest.raises(ConflictError, match=r"changed by others for 10 s.*save it again") as conflict:
            TokenRepository(backend).save(ALICE)
        assert isinstance(conflict.value.__cause__, RowChangedError)
        assert not isinstance(conflict.value, RowChangedError)
        patience = CONFLICT_PATIENCE.total_seconds()
        assert patience - 0.1 < time.now - 100 <= patience
        assert backend.attempts > 100

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

    def test_a_delete_meanwhile_is_an_insert(
        self, time: Time, tokens: TokenRepository, backend: FasterBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A row that is deleted during a save is there again afterwards, with the saved fields."""
        saved = tokens.save(ALICE)
        write, left = backend.write, iter([saved.id or ""])

        def write_after_a_delete(row: Row, *, expect: object) -> object:
            backend.remove(next(left, ""))
            return write(row, expect=expect)

        monkeypatch.setattr(backend, "write", write_after_a_delete)
        again = tokens.save(TokenRecord(id=saved.id, access_token="a2"))
        assert [record.access_token for record in tokens.scan()] == ["a2"]
        assert again.refresh_token is None

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
        first, second, third = (id_ for id_, _ in zip(matching.candidate_ids(ALICE), range(3), strict=False))
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
        with pytest.raises(InvalidTokenError, match="id must be text"):
            tokens.get(token_id)
        with pytest.raises(InvalidTokenError, match="id must be text"):
            tokens.delete(token_id)
        assert tokens.count() == 1

    def test_a_lone_surrogate_is_no_id(self, tokens: TokenRepository) -> None:
        """An id that is no valid Unicode text is refused, not unknown."""
        with pytest.raises(InvalidTokenError, match="surrogate"):
            tokens.get("a\ud800")


class TestBookkeeping:
    def test_times_are_the_repositorys(self) -> None:
        """A row keeps when it was made; every save notes its own time; the caller's are not stored."""
        now = iter([1000, 2000])
        tokens = TokenRepository(ListBackend(), clock=lambda: next(now))
        first = tokens.save(ALICE.changed(created_at_ms=5, updated_at_ms=6, last_used_at_ms=7))
        assert (first.created_at_ms, first.updated_at_ms, first.last_used_at_ms) == (1000, 1000, None)
        again = tokens.save(first.changed(created_at_ms=5, updated_at_ms=6))
        assert (again.created_at_ms, again.updated_at_ms) == (1000, 2000)

    def test_a_save_returns_what_is_stored(self, tokens: TokenRepository) -> None:
        """What `save` returns is what a look-up gives then, filled by what was stored before."""
        first = tokens.save(ALICE)
        again = tokens.save(TokenRecord(user_name="alice", access_token="a2"))
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

    def test_an_unreadable_row_spoils_no_other(self, tokens: TokenRepository, backend: FasterBackend) -> None:
        """A row whose expiry is no number is an error by its id, and the others are found."""
        alice = tokens.save(ALICE)
        tokens.save(TokenRecord(id="1", user_name="bob", access_token="b"))
        stored = backend.load("1")
        assert stored is not None
        backend.write(stored._replace(expiry_time="soon"), expect=stored.etag)
        with pytest.raises(BackendError, match="'1'"):
            tokens.get("1")
        assert tokens.find(TokenRecord(user_name="alice")) == alice
