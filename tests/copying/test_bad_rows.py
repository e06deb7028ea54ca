"""One bad row beside a hundred good ones, in the source or in the destination: the hundred are copied."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

from tests.copying.support import in_order, make_backend, numbered, put, row, rows_of, run, side
from zoho_tokenstore import Keyset
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.cli._texts import shown_id
from zoho_tokenstore.copying import CopyReport, OnConflict, Outcome
from zoho_tokenstore.copying._passes import copy_rows
from zoho_tokenstore.errors import UnreadableRowError
from zoho_tokenstore.records import Found, Row, UnreadableRow
from zoho_tokenstore.sealing._cipher import AESGCMCipher

GOOD: Final = in_order(map(numbered, range(1, 101)))
BAD: Final = row("50bad", "mallory", access_token="1000.access.bad")
REASON: Final = "its user_name is a BLOB"


class Rotten(ListBackend):
    """A list in which something lies that is no row, under the id of `BAD`."""

    def __init__(self, *, is_found: bool = False) -> None:
        super().__init__()
        self.bad: UnreadableRow | None = UnreadableRow(BAD.id, REASON)
        self._is_found = is_found

    def load(self, row_id: str) -> Row | None:
        if self.bad is not None and row_id == self.bad.id:
            raise UnreadableRowError.of(row_id, REASON, self.location)
        return super().load(row_id)

    def find(self, index: str, *keys: str) -> list[Found]:  # type: ignore[override,unused-ignore]
        is_bads = self._is_found and index == "user_name" and BAD.user_name in keys
        return [*super().find(index, *keys), *([self.bad] if self.bad and is_bads else [])]

    def scan(  # type: ignore[override,unused-ignore]
        self, *, after: str | None = None, limit: int | None = None
    ) -> Iterator[Found]:
        found: list[Found] = list(super().scan(after=after, limit=limit))
        return iter(sorted([*found, *([self.bad] if self.bad else [])], key=lambda one: one.id))


def damaged(kind: str, folder: Path, damage: str | Callable[[bytes], bytes]) -> None:
    """Fill a store with the good rows and the bad one, and do to that what a damaged disk or program does."""
    folder.mkdir(exist_ok=True)
    with closing(make_backend(kind, folder)) as backend:
        put(backend, [*GOOD, BAD])
    if isinstance(damage, str):
        with closing(sqlite3.connect(folder / "tokens.db")) as connection, connection:
            connection.execute("PRAGMA ignore_check_constraints = ON")
            connection.execute(f"UPDATE oauthtoken SET {damage} WHERE id = ?", (BAD.id,))
    else:
        path = folder / "tokens.csv"
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(damage(one) if one.startswith(b"50bad,") else one for one in lines))


DAMAGE: Final[dict[str, tuple[str, str | Callable[[bytes], bytes]]]] = {
    "a BLOB for a name": ("sqlite", "user_name = x'00ff'"),
    "a BLOB for a secret": ("sqlite", "client_secret = x'00ff'"),
    "no UTF-8": ("sqlite", "access_token = CAST(x'ff' AS TEXT)"),
    "a text for a time": ("sqlite", "created_at_ms = 'yesterday'"),
    "a BLOB for an id": ("sqlite", "id = CAST(id AS BLOB)"),
    "an odd digest": ("sqlite", "refresh_token_digest = x'00'"),
    "a line cut short": ("csv", lambda line: line[:30] + b"\r\n"),
    "a cell too many": ("csv", lambda line: b"50bad," + line),
    "a quote left open": ("csv", lambda line: line.replace(b"mallory", b'"mallory')),
    "no UTF-8 in a line": ("csv", lambda line: line.replace(b"mallory", b"m\xff")),
    "a NUL in a line": ("csv", lambda line: line.replace(b"mallory", b"m\0y")),
}


@pytest.mark.clear
@pytest.mark.parametrize("name", DAMAGE)
def test_a_bad_row_of_the_source_is_named_and_the_others_are_copied(name: str, tmp_path: Path) -> None:
    """Into every kind of store, by the command too: it ends with 1, and tells the id and the reason."""
    kind, damage = DAMAGE[name]
    damaged(kind, tmp_path / "from", damage)
    with closing(make_backend(kind, tmp_path / "from")) as source, closing(ListBackend()) as to:
        (bad,) = [found for found in source.scan() if isinstance(found, UnreadableRow)]
        done = copy_rows(side(source), side(to))
        assert (done.rows, done.copied, done.is_complete) == (101, 100, False)
        tally = done.outcomes[Outcome.UNREADABLE]
        assert (tally.ids, tally.reason) == ([(bad.id, None)], bad.reason)
        assert rows_of(to) == GOOD
    from_, there = store_url(kind, tmp_path / "from"), tmp_path / "to"
    there.mkdir()
    for target in ("sqlite", "csv"):
        told = run(from_, store_url(target, there))
        assert told.exit_code == 1
        assert "100 copied, 0 overwritten" in told.output
        assert f"cannot be read, or do not open with the source's keys: {shown_id(bad.id)} (" in told.output
        assert bad.reason in told.output
        assert "All 101" not in told.output
        with closing(make_backend(target, there)) as backend:
            assert rows_of(backend) == GOOD


@pytest.mark.clear
@pytest.mark.parametrize("name", DAMAGE)
@pytest.mark.parametrize("policy", OnConflict)
def test_a_bad_row_of_the_destination_stays_and_is_named(
    name: str, policy: OnConflict, tmp_path: Path
) -> None:
    """The source's row of that id is not copied over it, whatever the policy; all others are."""
    kind, damage = DAMAGE[name]
    damaged(kind, tmp_path, damage)
    with closing(make_backend(kind, tmp_path)) as to, closing(ListBackend()) as source:
        (bad,) = [found for found in to.scan() if isinstance(found, UnreadableRow)]
        for one in GOOD[::2]:
            to.remove(one.id)
        put(source, [one._replace(id=f"{one.id}x", user_name=f"x{one.id}") for one in GOOD[:5]])
        put(source, [BAD._replace(id=bad.id or "none")])
        before = bytes_of(tmp_path)
        done = copy_rows(side(source), side(to), on_conflict=policy, dry_run=True)
        assert bytes_of(tmp_path) == before
        done = copy_rows(side(source), side(to), on_conflict=policy)
        assert done.copied >= 5
        assert not done.is_complete
        assert [found for found in to.scan() if isinstance(found, UnreadableRow)] != []
        told = done.outcomes.get(Outcome.LOCKED) or done.damaged
        assert told.ids[0][0] == bad.id
        assert bad.reason.partition(": ")[2] in told.reason


def store_url(kind: str, folder: Path) -> str:
    return f"{kind}:///{folder / ('tokens.db' if kind == 'sqlite' else 'tokens.csv')}"


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".db", ".csv")}


# ---- in the destination


def test_a_destinations_bad_row_of_another_id_is_told(source: ListBackend) -> None:
    """Nobody can tell whose it is, so the run is not called complete; everything is copied."""
    destination = Rotten()
    put(source, GOOD)
    for dry_run in (True, False):
        done = copy_rows(side(source), side(destination), dry_run=dry_run)
        assert (done.copied, done.others, done.is_complete) == (100, 1, False)
        assert (done.damaged.ids, done.damaged.reason) == ([(BAD.id, None)], REASON)
    assert done.count(Outcome.EQUAL) == 100
    destination.bad = None
    assert copy_rows(side(source), side(destination)).is_complete


@pytest.mark.parametrize("policy", OnConflict)
def test_a_bad_row_that_is_found_by_its_owner_gets_no_second_one(
    source: ListBackend, policy: OnConflict
) -> None:
    """It may be the same login. The owner's row is told as locked, and nobody else's."""
    destination = Rotten(is_found=True)
    put(source, [*GOOD, BAD._replace(id="0")])
    done = copy_rows(side(source), side(destination), on_conflict=policy)
    assert done.outcomes[Outcome.LOCKED].ids == [("0", None)]
    assert REASON in done.outcomes[Outcome.LOCKED].reason
    assert done.copied == 100


@pytest.mark.parametrize("policy", OnConflict)
def test_a_bad_row_of_the_source_stands_in_no_other_rows_way(policy: OnConflict) -> None:
    """Nor in that of its owner's other row; what the destination has under its id stays."""
    source, destination = Rotten(is_found=True), ListBackend()
    put(source, [*GOOD, BAD._replace(id="0")])
    put(destination, [BAD._replace(updated_at_ms=1)])
    done = copy_rows(side(source), side(destination), on_conflict=policy)
    assert done.outcomes[Outcome.UNREADABLE].ids == [(BAD.id, None)]
    assert done.count(Outcome.EQUAL) == 100
    (kept,) = (one for one in rows_of(destination) if one.user_name == BAD.user_name)
    assert kept.id == BAD.id


def test_sealed_rows_of_other_owners_that_do_not_open_are_in_nobodys_way(
    source: ListBackend, destination: ListBackend, new: Keyset
) -> None:
    """A row of the same user name, of another client under a lost key: hers is copied."""
    put(source, [row("1")])
    put(destination, [row("8", client_id="1000.OTHER")], Keyset.generate())
    put(destination, [row("9", api_domain="https://www.zohoapis.com")])
    done = copy_rows(side(source), side(destination, new))
    assert (done.copied, done.is_complete) == (1, True)


def test_an_edited_sealed_row_is_not_copied(
    source: ListBackend, destination: ListBackend, old: Keyset, new: Keyset
) -> None:
    """Whoever has no key and changes an owner or expiry has the row refused; the others are copied."""
    put(source, GOOD, old)
    edits: dict[str, dict[str, Any]] = {
        "a": {"user_name": "alice"},
        "b": {"expiry_time": "x"},
        "c": {"client_secret": None},
        "d": {"api_domain": "https://www.zohoapis.com"},
        "e": {"redirect_url": "https://elsewhere.example"},
    }
    for row_id, edit in edits.items():
        sealed = AESGCMCipher(old).seal(row(row_id, f"user {row_id}"))
        source.write(sealed._replace(**edit), expect=None)
    done = copy_rows(side(source, old), side(destination, new))
    assert [row_id for row_id, _ in done.outcomes[Outcome.UNREADABLE].ids] == list(edits)
    assert not done.is_complete
    assert rows_of(destination, new) == GOOD


# ---- odd, but readable


@pytest.mark.clear
@pytest.mark.parametrize("kind", ["sqlite", "csv", "list"])
def test_odd_expiries_are_copied_as_they_are(kind: str, tmp_path: Path, new: Keyset) -> None:
    """What other programs wrote there says that the token has ended, at the destination as at the source."""
    odd = ["x", "2026-11-24T10:00:00Z", "1700000000000.0", "1.79E+12", "None", "9" * 40, "-1", " 7 "]
    rows = [row(str(number), f"user {number}", expiry_time=text) for number, text in enumerate(odd)]
    folders = [tmp_path / "from", tmp_path / "to"]
    for folder in folders:
        folder.mkdir()
    with closing(make_backend(kind, folders[0])) as from_, closing(make_backend(kind, folders[1])) as to:
        put(from_, rows)
        assert copy_rows(side(from_), side(to, new)).is_complete
        assert rows_of(to, new) == rows


@pytest.mark.parametrize("name", ["identified_at_ms", "created_at_ms", "last_used_at_ms"])
def test_every_time_is_copied_and_read_back(source: ListBackend, new: Keyset, name: str) -> None:
    """A destination that drops one is told as one that does not keep what it is given."""

    class Dropping(ListBackend):
        def write(self, row: Row, *, expect: object) -> object:
            dropped: dict[str, Any] = {name: None}
            return super().write(row._replace(**dropped), expect=expect)

    noted: dict[str, Any] = {name: 1_700_000_000_005}
    put(source, [row("1", **noted)])
    good = ListBackend()
    assert copy_rows(side(source), side(good, new)).is_complete
    assert getattr(rows_of(good, new)[0], name) == 1_700_000_000_005
    done: CopyReport = copy_rows(side(source), side(Dropping()))
    assert done.count(Outcome.VERIFY_FAILED) == 1


def test_a_login_is_copied_as_a_whole_or_not_at_all(source: ListBackend, destination: ListBackend) -> None:
    """Of the destination's other login nothing stays beside the source's, not where that has nothing."""
    ours = row(
        "1", refresh_token=None, grant_token=None, expiry_time=None, redirect_url=None, updated_at_ms=9
    )
    theirs = row("1", grant_token="1000.grant.x", redirect_url="https://x.example", updated_at_ms=1)
    put(source, [ours])
    put(destination, [theirs._replace(access_token="1000.access.x", identified_at_ms=1)])
    assert copy_rows(side(source), side(destination), on_conflict=OnConflict.NEWER).overwritten == 1
    assert rows_of(destination) == [ours]
