"""What somebody does to a trail who can write the database shows, or is named as what cannot show."""

from __future__ import annotations

import hashlib
import hmac
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.audit.support import ALICE, execute, opened, rewritten, table_of, trail_of
from zoho_tokenstore import BackendError, ConfigurationError, Event, Keyset, TokenRepository
from zoho_tokenstore.audit import AuditReport

ENTRIES = 6


def begin(case: str, folder: Path, **options: Any) -> str:
    """Make a trail of six entries; return its head."""
    with opened(case, folder, **options) as repository:
        for number in range(ENTRIES - 1):
            repository.save(ALICE.changed(user_name=f"user{number}", refresh_token=f"1000.r.{number}"))
        return trail_of(repository).verify().head or ""


def verified(case: str, folder: Path, anchor: str | None = None, **options: Any) -> AuditReport:
    with opened(case, folder, **options) as repository:
        return trail_of(repository).verify(anchor)


CHANGES = {
    "a text": (
        "UPDATE {t} SET text = replace(text, 'user2', 'user9') WHERE number = 4",
        4,
        "its text has been",
    ),
    "a number in a text": (
        "UPDATE {t} SET text = replace(text, '\"number\":4', '\"number\":5') WHERE number = 4",
        4,
        "its text has been",
    ),
    "a time": ("UPDATE {t} SET at_ms = at_ms + 1 WHERE number = 4", 4, "its columns have been"),
    "a login": ("UPDATE {t} SET token_id = 'x' WHERE number = 4", 4, "its columns have been"),
    "a login to none": ("UPDATE {t} SET token_id = NULL WHERE number = 4", 4, "its columns have been"),
    "a hash": ("UPDATE {t} SET hash = '" + "0" * 64 + "' WHERE number = 4", 4, "its text has been"),
    "one deleted": ("DELETE FROM {t} WHERE number = 4", 4, "it is missing: after 3 comes 5"),
    "several deleted": ("DELETE FROM {t} WHERE number IN (3, 4)", 3, "it is missing: after 2 comes 5"),
    "the start deleted": ("DELETE FROM {t} WHERE number <= 2", 1, "entries up to 2 are missing"),
    "one moved": ("UPDATE {t} SET number = 99 WHERE number = 4", 4, "it is missing: after 3 comes 5"),
    "one copied": (
        "INSERT INTO {t} SELECT 7, at_ms, token_id, text, hash, mac FROM {t} WHERE number = 4",
        7,
        "its columns have been",
    ),
    "one made up": (
        "INSERT INTO {t} (number, at_ms, text, hash) VALUES (7, 1, '{{}}', '"
        + hashlib.sha256(b"{}").hexdigest()
        + "')",
        7,
        "its text is not an entry",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_named(case: str, tmp_path: Path, change: str) -> None:
    """What was changed, deleted, inserted or moved is named by the first entry it concerns."""
    begin(case, tmp_path)
    statement, broken_at, reason = CHANGES[change]
    text = statement.format(t=table_of(case))
    execute(case, tmp_path, text.replace("%", "%%") if case != "sqlite" else text)
    report = verified(case, tmp_path)
    assert not report.is_intact
    assert (report.broken_at, (report.reason or "").startswith(reason)) == (broken_at, True), report


def test_one_written_again(tmp_path: Path) -> None:
    """An entry that was changed together with its hash is not the one that the next entry follows."""
    begin("sqlite", tmp_path)
    with opened("sqlite", tmp_path) as repository:
        row = list(trail_of(repository)._log.scan())[3]
    execute("sqlite", tmp_path, rewritten(row, user_name="user9"))
    report = verified("sqlite", tmp_path)
    assert (report.broken_at, report.reason) == (5, "it does not follow entry 4 as that is now")


ODD = {
    "text that is not UTF-8": "text = CAST(x'ff' AS TEXT)",
    "a hash that is not UTF-8": "hash = CAST(x'ff' AS TEXT)",
    "a BLOB": "text = x'ff'",
    "a hash that is a BLOB": "hash = x'ff'",
    "a hash that is a number": "hash = 5",
    "a time that is none": "at_ms = 'soon'",
    "a text nested too deeply": f"text = '{'[' * 100_000}', hash = "
    f"'{hashlib.sha256(b'[' * 100_000).hexdigest()}'",
}


@pytest.mark.parametrize("number", [3, ENTRIES])
@pytest.mark.parametrize("odd", ODD)
def test_values_that_no_program_of_ours_writes(tmp_path: Path, odd: str, number: int) -> None:
    """They are named by the very entry, and no login fails because of them."""
    begin("sqlite", tmp_path)
    execute("sqlite", tmp_path, f"UPDATE zoho_tokenstore_audit SET {ODD[odd]} WHERE number = {number}")
    report = verified("sqlite", tmp_path)
    assert (report.broken_at, report.entries) == (number, number - 1)
    with opened("sqlite", tmp_path) as repository:
        saved = repository.save(ALICE.changed(user_name="later"))
        assert repository.get(saved.id or "") is not None


def test_the_highest_number(tmp_path: Path) -> None:
    """Nothing can follow it; no login fails because of that, and each is reported."""
    begin("sqlite", tmp_path)
    execute("sqlite", tmp_path, f"UPDATE zoho_tokenstore_audit SET number = {2**63 - 1} WHERE number = 3")
    seen: list[Event] = []
    with opened("sqlite", tmp_path, on_event=seen.append) as repository:
        assert repository.get(repository.save(ALICE).id or "") is not None
    assert "Nothing can follow the last entry" in str([event.error for event in seen])


def test_a_signature_that_is_not_ascii(tmp_path: Path) -> None:
    """It is no signature."""
    keys = Keyset.generate()
    begin("sqlite", tmp_path, keys=keys)
    execute("sqlite", tmp_path, "UPDATE zoho_tokenstore_audit SET mac = 'é' WHERE number = 4")
    report = verified("sqlite", tmp_path, keys=keys)
    assert (report.broken_at, report.reason) == (4, f"the key {keys.ids[0]} did not sign it")


def test_two_that_are_exchanged(case: str, tmp_path: Path) -> None:
    """Entries have their places in their texts."""
    begin(case, tmp_path)
    table = table_of(case)
    moves = ((3, 100), (4, 3), (100, 4))
    execute(case, tmp_path, *(f"UPDATE {table} SET number = {to} WHERE number = {of}" for of, to in moves))
    assert verified(case, tmp_path).broken_at == 3


def test_the_end_removed(case: str, tmp_path: Path) -> None:
    """Only an anchor that is kept elsewhere shows it; then it does, also once others have appended."""
    head = begin(case, tmp_path)
    assert verified(case, tmp_path, head).is_intact
    execute(case, tmp_path, f"DELETE FROM {table_of(case)} WHERE number > 3")
    assert verified(case, tmp_path).is_intact
    with opened(case, tmp_path) as repository:
        for number in range(9):
            repository.save(ALICE.changed(user_name=f"other{number}", refresh_token=f"1000.o.{number}"))
    report = verified(case, tmp_path, head)
    assert (report.reason, report.has_anchor, report.is_intact) == (None, False, False)


def test_the_end_removed_under_a_running_process(case: str, tmp_path: Path) -> None:
    """A process that knows the last entry goes on after it, so the gap shows."""
    with opened(case, tmp_path) as repository:
        for number in range(3):
            repository.save(ALICE.changed(user_name=f"user{number}", refresh_token=f"1000.r.{number}"))
        execute(case, tmp_path, f"DELETE FROM {table_of(case)} WHERE number > 2")
        repository.clear()
        report = trail_of(repository).verify()
        assert (report.broken_at, report.reason) == (3, "it is missing: after 2 comes 5")


def test_an_anchor_stays_good(case: str, tmp_path: Path) -> None:
    """However long the trail becomes, the anchor of any of its entries is found."""
    anchors = [begin(case, tmp_path)]
    with opened(case, tmp_path) as repository:
        repository.clear()
        anchors.append(trail_of(repository).verify().head or "")
    assert all(verified(case, tmp_path, anchor).has_anchor for anchor in anchors)


@pytest.mark.parametrize("anchor", ["", "7", "0:" + "0" * 64, "7:xyz", "7:" + "0" * 63, "-1:" + "0" * 64])
def test_what_is_no_anchor(tmp_path: Path, anchor: str) -> None:
    """It is refused, with what one looks like."""
    begin("sqlite", tmp_path)
    with pytest.raises(ConfigurationError, match="An anchor is the number and the hash"):
        verified("sqlite", tmp_path, anchor)


def test_a_damaged_entry_is_not_passed_over(case: str, tmp_path: Path) -> None:
    """Who lists a trail with one is told, after those before it; nothing is pruned over it."""
    begin(case, tmp_path)
    execute(case, tmp_path, f"UPDATE {table_of(case)} SET hash = 'x' WHERE number = 4")
    with opened(case, tmp_path) as repository:
        listed = trail_of(repository).entries()
        assert [next(listed).number for _ in range(3)] == [1, 2, 3]
        with pytest.raises(BackendError, match=r"Entry 4 .* zoho-tokens audit verify"):
            next(listed)


# ---- with keys


def rewrite(folder: Path, change: Callable[[dict[str, Any]], None], *, key: str | None = "") -> None:
    """Write a trail again as whoever has the database, and no key, can: with all hashes right."""
    previous = "0" * 64
    with sqlite3.connect(folder / "tokens.db") as connection:
        connection.execute("DROP TRIGGER IF EXISTS zoho_tokenstore_audit_unchanged")
        rows = connection.execute("SELECT number, text FROM zoho_tokenstore_audit ORDER BY number").fetchall()
        for number, text in rows:
            held = {**json.loads(text), "previous": previous}
            change(held)
            if key is None:
                held.pop("key", None)
            text = json.dumps(held, sort_keys=True, separators=(",", ":"))
            previous = hashlib.sha256(text.encode()).hexdigest()
            connection.execute(
                "UPDATE zoho_tokenstore_audit SET text = ?, hash = ?, at_ms = ?, token_id = ?"
                + (", mac = NULL" if key is None else "")
                + " WHERE number = ?",
                (text, previous, held["at_ms"], held.get("token_id"), number),
            )
    connection.close()


def rename(held: dict[str, Any]) -> None:
    if held.get("user_name") == "user2":
        held["user_name"] = "user9"


def test_without_keys_a_rewritten_trail_looks_whole(tmp_path: Path) -> None:
    """Hashes need no secret: who can write the database can write all of them again. An anchor shows it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("ZOHO_TOKENSTORE_KEYS", raising=False)
        head = begin("sqlite", tmp_path)
        rewrite(tmp_path, rename)
        assert verified("sqlite", tmp_path).is_intact
        assert verified("sqlite", tmp_path, head).has_anchor is False


def test_with_keys_a_rewritten_trail_shows(tmp_path: Path) -> None:
    """Nobody without the key can sign an entry, nor pass off unsigned ones."""
    keys = Keyset.generate()
    begin("sqlite", tmp_path, keys=keys)
    assert verified("sqlite", tmp_path, keys=keys).is_intact
    rewrite(tmp_path, rename)
    report = verified("sqlite", tmp_path, keys=keys)
    assert (report.broken_at, report.reason) == (4, f"the key {keys.ids[0]} did not sign it")
    rewrite(tmp_path, rename, key=None)
    report = verified("sqlite", tmp_path, keys=keys)
    assert (report.reason, report.unsigned, report.is_intact) == (None, ENTRIES, False)


def test_entries_appended_without_the_key(tmp_path: Path) -> None:
    """They are counted at the end, until somebody who has the key appends: that one vouches for them."""
    keys = Keyset.generate()
    begin("sqlite", tmp_path, keys=keys)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("ZOHO_TOKENSTORE_KEYS", raising=False)
        with opened("sqlite", tmp_path) as repository:
            repository.clear()
    report = verified("sqlite", tmp_path, keys=keys)
    assert (report.reason, report.unsigned, report.is_intact) == (None, 1, False)
    with opened("sqlite", tmp_path, keys=keys) as repository:
        repository.clear()
    assert verified("sqlite", tmp_path, keys=keys).is_intact


def test_keys_are_rotated(case: str, tmp_path: Path) -> None:
    """A trail of several keys is whole for the newest alone, which vouches for all before."""
    old, new = Keyset.generate(), Keyset.generate()
    begin(case, tmp_path, keys=old)
    both = Keyset.from_text(new.to_text() + old.to_text())
    with opened(case, tmp_path, keys=both) as repository:
        repository.clear()
    assert verified(case, tmp_path, keys=both).is_intact
    assert verified(case, tmp_path, keys=new).is_intact
    report = verified(case, tmp_path, keys=old)
    assert (report.unsigned, report.is_intact) == (1, False)


def test_without_keys_a_signed_trail_is_only_chained(tmp_path: Path) -> None:
    """Who has no key can still see that nothing is missing, and is not told that it is authentic."""
    begin("sqlite", tmp_path, keys=Keyset.generate())
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("ZOHO_TOKENSTORE_KEYS", raising=False)
        report = verified("sqlite", tmp_path)
        assert (report.is_intact, report.are_signed, report.unsigned) == (True, False, ENTRIES)


def test_the_code_is_an_hmac_of_the_hash_with_a_key_of_its_own(tmp_path: Path) -> None:
    """HMAC-SHA-256, by a key that HKDF derives for trails alone: anybody's program can check it."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    material = bytes(range(32))
    begin("sqlite", tmp_path, keys=Keyset(material))
    derived = HKDF(SHA256(), 32, None, b"zoho-tokenstore audit 1").derive(material)
    with sqlite3.connect(tmp_path / "tokens.db") as connection:
        rows = connection.execute("SELECT text, hash, mac FROM zoho_tokenstore_audit").fetchall()
    connection.close()
    for text, digest, mac in rows:
        assert hashlib.sha256(text.encode()).hexdigest() == digest
        assert hmac.new(derived, digest.encode(), "sha256").hexdigest() == mac


def test_sqlite_refuses_changes_by_mistake(tmp_path: Path) -> None:
    """A trigger says that the trail is only appended to."""
    begin("sqlite", tmp_path)
    connection = sqlite3.connect(tmp_path / "tokens.db")
    with pytest.raises(sqlite3.IntegrityError, match="only appended to"):
        connection.execute("UPDATE zoho_tokenstore_audit SET text = 'x'")
    connection.close()


def digests(repository: TokenRepository) -> list[str | None]:
    return [entry.login for entry in trail_of(repository).entries(what=["logged_in"])]


def test_digests_of_logins(tmp_path: Path) -> None:
    """The same login has the same digest; with keys, nobody without them can compute it."""
    keys, folders = Keyset.generate(), [tmp_path / "clear", tmp_path / "sealed"]
    for folder in folders:
        folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("ZOHO_TOKENSTORE_KEYS", raising=False)
        with opened("sqlite", folders[0]) as clear, opened("sqlite", folders[1], keys=keys) as sealed:
            for repository in (clear, sealed):
                repository.save(ALICE)
                repository.save(ALICE.changed(client_id="another", access_token="other"))
            plain = hashlib.sha256(f"zoho-tokenstore login:{ALICE.refresh_token}".encode()).hexdigest()[:16]
            assert digests(clear) == [plain, plain]
            assert len(set(digests(sealed))) == 1
            assert plain not in digests(sealed)
