"""What a process could not save outlives it: the next one goes on where it ended, by the same rules."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import zoho_tokenstore as z
from tests.unit.renewal.support import CREDENTIALS, ORIGIN, PRODUCTION, Fleet, Line
from zoho_tokenstore import BackendUnavailableError, ConfigurationError, Keyset, TokenRecord, TokenRepository
from zoho_tokenstore.registry import open_async_tokens, open_tokens
from zoho_tokenstore.renewal._renewer import Renewer

KEYS = Keyset.generate()
LOGIN = TokenRecord(**CREDENTIALS, user_name="patricia", refresh_token="1000.r", access_token="1000.a")
CODE = TokenRecord(**CREDENTIALS, grant_token="1000.code", api_domain=PRODUCTION)


class Site:
    """A storage, and processes that share a spool; each may end at any moment."""

    def __init__(self, folder: Path, keys: Keyset | None = None) -> None:
        self.fleet = Fleet(background=False)
        self.folder = folder
        self.keys = keys

    def process(self, **options: Any) -> Renewer:
        fleet = self.fleet
        repository = TokenRepository(
            fleet.storage,
            keys=self.keys,
            on_event=fleet.events.append,
            clock=fleet.clock,
        )
        given = {"transport": Line(zoho=fleet.zoho), "spool": self.folder, **options}
        return Renewer(repository, fleet.policy, **given)

    def files(self) -> list[Path]:
        return sorted(path for path in self.folder.iterdir() if not path.name.startswith("."))

    def stored(self) -> list[TokenRecord]:
        return list(self.process(spool=None).repository.scan())

    def is_broken(self, *calls: str) -> None:
        """Let these calls of the storage fail from now on, and no others."""
        self.fleet.storage.broken = set(calls)

    def leave(self, record: TokenRecord = LOGIN, *broken: str) -> Renewer:
        """Return a process that could not save a token, and has ended without another try."""
        process = self.process()
        self.is_broken(*(broken or ("write",)))
        with pytest.raises(BackendUnavailableError):
            process.save(record)
        self.is_broken()
        return process

    def renewed_in_vain(self) -> TokenRecord:
        """Return a renewal that its process could not save before it ended."""
        login = self.process(spool=None).save(LOGIN.changed(expires_at_ms=1, api_domain=PRODUCTION))
        self.is_broken("write")
        renewed = self.process().get(login.id or "", lambda: ORIGIN)
        self.is_broken()
        assert renewed is not None
        assert renewed.access_token == "1000.minted.1"
        return renewed


@pytest.fixture(params=[pytest.param("clear", marks=pytest.mark.clear), "sealed"])
def site(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.delenv("ZOHO_TOKENSTORE_KEYS", raising=False)
    return Site(tmp_path / "spool", KEYS if request.param == "sealed" else None)


def test_the_next_process_saves_a_login(site: Site) -> None:
    """A code is spent by then: the login would be lost with the process."""
    site.is_broken("write")
    assert site.process().find(CODE, lambda: ORIGIN) is not None
    site.is_broken()
    assert site.stored() == []
    site.process()
    (stored,) = site.stored()
    assert (stored.refresh_token, stored.access_token) == ("1000.refresh.1", "1000.minted.1")
    assert site.files() == []
    assert site.fleet.zoho.sent == 1


def test_the_next_process_saves_a_renewal(site: Site) -> None:
    """And tells so by the same event."""
    renewed = site.renewed_in_vain()
    site.fleet.events.clear()
    process = site.process()
    assert site.stored() == [process.repository.get(renewed.id or "")]
    assert site.stored()[0].access_token == renewed.access_token
    assert site.fleet.kinds() == ["updated", "saved_late"]
    assert site.files() == []


def test_a_process_finds_it_while_the_storage_still_fails(site: Site) -> None:
    """It serves look-ups at once, and is saved later; the file stays as long."""
    renewed = site.renewed_in_vain()
    site.is_broken("write")
    process = site.process()
    found = process.get(renewed.id or "", lambda: ORIGIN)
    assert found is not None
    assert found.access_token == renewed.access_token
    process.close()
    assert len(site.files()) == 1
    site.is_broken()
    site.process()
    assert site.files() == []
    assert site.fleet.zoho.sent == 1


def test_what_is_saved_after_all_leaves_no_file(site: Site) -> None:
    """By the process itself, at its close or before."""
    process = site.leave()
    assert len(site.files()) == 1
    process.close()
    assert site.files() == []
    assert len(site.stored()) == 1


def test_a_newer_one_takes_its_file_too(site: Site) -> None:
    """One file for each login."""
    process = site.leave()
    (first,) = site.files()
    site.is_broken("write")
    with pytest.raises(BackendUnavailableError):
        process.save(LOGIN.changed(access_token="1000.b"))
    (second,) = site.files()
    assert first != second
    site.is_broken()
    site.process()
    assert [record.access_token for record in site.stored()] == ["1000.b"]


def test_a_login_that_another_one_overtakes_is_not_forgotten_by_the_next_process(site: Site) -> None:
    """It is alive at Zoho: its file stays until it is noted for the user's revocation."""
    process = site.leave()
    site.is_broken("write")
    with pytest.raises(BackendUnavailableError):
        process.save(LOGIN.changed(refresh_token="1000.r.2", access_token="1000.b"))
    assert len(site.files()) == 2
    site.is_broken()
    repository = site.process().repository
    (stored,) = site.stored()
    assert stored.refresh_token == "1000.r.2"
    (noted,) = repository.replaced.of(stored.id or "")
    assert repository.remembered.open(noted).refresh_token == "1000.r"
    assert site.files() == []


def test_files_that_two_left_are_saved_in_their_order(site: Site) -> None:
    """A process that ends between writing one and removing the one before leaves both: the newer counts."""
    first = site.leave()
    (file,) = site.files()
    content = file.read_bytes()
    site.is_broken("write")
    with pytest.raises(BackendUnavailableError):
        first.save(LOGIN.changed(access_token="1000.b"))
    file.write_bytes(content)
    assert len(site.files()) == 2
    site.is_broken()
    site.process()
    assert [record.access_token for record in site.stored()] == ["1000.b"]
    assert site.files() == []


def test_nothing_newer_is_replaced(site: Site) -> None:
    """The user has logged in anew meanwhile: that login stays, whole."""
    site.renewed_in_vain()
    site.fleet.clock.pass_(60)
    newer = site.process(spool=None).save(LOGIN.changed(refresh_token="1000.new", access_token="1000.newer"))
    site.process()
    (stored,) = site.stored()
    assert (stored.refresh_token, stored.access_token) == ("1000.new", "1000.newer")
    assert stored.id == newer.id
    assert site.files() == []


def _delete(site: Site) -> None:
    site.process(spool=None).delete(site.stored()[0].id or "")


def _delete_and_forget_the_id(site: Site) -> None:
    _delete(site)
    site.fleet.storage.retired.prune(site.fleet.clock.now + 1)


def _clear(site: Site) -> None:
    site.process(spool=None).clear()


@pytest.mark.parametrize("remove", [_delete, _delete_and_forget_the_id, _clear])
def test_no_deleted_login_comes_back(site: Site, remove: Callable[[Site], None]) -> None:
    """It was deleted while its renewal waited: no look-up finds it, and nothing is saved."""
    renewed = site.renewed_in_vain()
    site.fleet.clock.pass_(60)
    remove(site)
    site.fleet.events.clear()
    assert site.process().get(renewed.id or "", lambda: ORIGIN) is None
    assert site.stored() == []
    assert site.fleet.kinds() == ["save_refused"]
    assert site.files() == []


@pytest.mark.parametrize("broken", [["write"], ["find", "load", "write"]], ids=["read-only", "gone"])
def test_no_login_comes_back_after_a_clear(site: Site, broken: list[str]) -> None:
    """Also a first one, of which nothing could be learnt when it was kept."""
    site.leave(LOGIN, *broken)
    site.fleet.clock.pass_(60)
    _clear(site)
    site.process()
    assert site.stored() == []
    assert site.files() == []


@pytest.mark.parametrize("remove", ["delete", "clear"])
def test_what_its_own_process_deletes_leaves_no_file(site: Site, remove: str) -> None:
    """Whoever logs out while the storage cannot be written is not logged in again by the next start."""
    process = site.leave(LOGIN.changed(id="7"))
    if remove == "delete":
        process.delete("7")
    else:
        process.clear()
    assert site.files() == []


def test_the_spool_shows_no_secret(site: Site) -> None:
    """Sealed if the store is; else for its owner alone."""
    site.renewed_in_vain()
    (file,) = site.files()
    text = file.read_text(encoding="utf-8")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(site.folder.stat().st_mode) == 0o700
    secrets = ["1000.minted", "1000.r", "1000.CLIENT", "patricia"]
    assert [secret in text for secret in secrets] == [site.keys is None] * len(secrets)


def test_a_sealed_file_opens_under_its_own_name_only(tmp_path: Path) -> None:
    """An older one under a newer name would count as newer. It is left, and told."""
    site = Site(tmp_path / "spool", KEYS)
    site.leave()
    (file,) = site.files()
    file.rename(file.with_name(f"9{file.name[1:]}"))
    assert _told(site).startswith("the file 9")
    assert site.stored() == []


def test_without_its_key_a_file_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is lost by a start without the key, or with another one."""
    monkeypatch.delenv("ZOHO_TOKENSTORE_KEYS", raising=False)
    site = Site(tmp_path / "spool", KEYS)
    site.leave()
    for keys in (None, Keyset.generate()):
        site.keys = keys
        assert "do not open" in _told(site)
    site.keys = KEYS
    site.process()
    assert len(site.stored()) == 1


def _told(site: Site) -> str:
    """Open the store, with one file in the spool that cannot be used; return what was told of it."""
    (before,) = site.files()
    content = before.read_bytes() if before.is_file() else b""
    site.fleet.events.clear()
    site.process().close()
    (event,) = site.fleet.events
    assert event.kind == "row_unreadable"
    assert event.reason is not None
    if before.is_file():
        assert before.read_bytes() == content
    return event.reason


def _edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8")


def _replace_by(path: Path, make: Callable[[Path], None]) -> None:
    path.unlink()
    make(path)


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: path.write_bytes(b""), "damaged"),
    "cut": (lambda path: os.truncate(path, path.stat().st_size // 2), "damaged"),
    "no JSON": (lambda path: path.write_bytes(b"\xff\xfe"), "damaged"),
    "no object": (lambda path: path.write_bytes(b"[]"), "damaged"),
    "no content": (lambda path: _edit(path, access_token=None, client_secret=None), ""),
    "other content": (lambda path: _edit(path, access_token="{}"), ""),
    "endless": (lambda path: os.truncate(path, 1 << 24), "damaged"),
    "newer": (lambda path: _edit(path, format=2), "newer release"),
    "another store's": (lambda path: _edit(path, store="sqlite:///b.db"), "another store, 'sqlite:///b.db'"),
    "foreign": (lambda path: path.rename(path.with_name("notes.txt")), "not a spooled token"),
    "a folder": (lambda path: _replace_by(path, Path.mkdir), ""),
    "a link": (lambda path: path.symlink_to(path.rename(path.parent.parent / "elsewhere")), "cannot be read"),
    "a pipe": (lambda path: _replace_by(path, os.mkfifo), "damaged"),
}


@pytest.mark.parametrize(("damage", "reason"), DAMAGE.values(), ids=DAMAGE)
def test_a_file_that_cannot_be_used_is_told_and_left(
    site: Site, damage: Callable[[Path], object], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever it is: by an event, in the log, and the store opens."""
    site.leave()
    damage(site.files()[0])
    with caplog.at_level(logging.WARNING, "zoho_tokenstore"):
        told = _told(site)
    assert reason in told
    assert "is left untouched" in caplog.text
    assert "1000." not in told + caplog.text
    assert site.stored() == []


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root can make files of other users")
def test_a_file_of_another_user_is_told_with_its_remedy(site: Site) -> None:
    """Where everybody may create files, it may be planted: it says whose it is, and what takes it over."""
    site.leave()
    site.folder.chmod(0o1777)
    os.chown(site.files()[0], 65534, 65534)
    told = _told(site)
    assert "belongs to another user (id 65534)" in told
    assert f"chown 0 '{site.files()[0]}'" in told


def test_a_bad_file_holds_up_no_other(site: Site) -> None:
    """The others are saved beside it."""
    site.leave()
    (site.folder / "notes.txt").write_text("mine", encoding="utf-8")
    site.process()
    assert len(site.stored()) == 1
    assert [file.name for file in site.files()] == ["notes.txt"]


def test_what_a_killed_process_had_begun_to_write_goes_in_time(site: Site) -> None:
    """It was never whole. A young one may be another process's, which is just writing it."""
    site.leave()
    (file,) = site.files()
    young, old = (site.folder / f".{number}{file.name[1:]}.{'0f' * 8}.new" for number in "12")
    for scratch in (young, old):
        scratch.write_bytes(b"{")
    os.utime(old, (0, 0))
    site.process()
    assert young.exists()
    assert not old.exists()


def test_a_spool_that_cannot_be_written_is_told(site: Site) -> None:
    """The token is in memory all the same, and saved by its process."""
    process = site.process()
    site.is_broken("write")
    with _full_disk(), pytest.raises(BackendUnavailableError, match="The storage fails"):
        process.save(LOGIN)
    told = [str(event.error) for event in site.fleet.events if event.reason == "the spool"]
    assert told
    assert all("No space left on device" in text and "only in the memory" in text for text in told)
    assert list(site.folder.iterdir()) == []
    site.is_broken()
    process.close()
    assert len(site.stored()) == 1


def test_an_older_file_stays_while_the_newer_cannot_be_written(site: Site) -> None:
    """It is all that would outlive the process; once the newer one is saved, it is outrun."""
    process = site.leave(LOGIN.changed(id="7"))
    site.is_broken("write")
    with _full_disk(), pytest.raises(BackendUnavailableError):
        process.save(LOGIN.changed(id="7", access_token="1000.b"))
    assert len(site.files()) == 1
    site.is_broken()
    site.fleet.clock.pass_(1)
    process.close()
    site.process()
    assert [record.access_token for record in site.stored()] == ["1000.b"]
    assert site.files() == []


@contextlib.contextmanager
def _full_disk() -> Iterator[None]:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", full)
        yield


def test_a_folder_that_others_can_write_is_refused(tmp_path: Path) -> None:
    """Who can put a token there logs somebody in; the message says what to do."""
    site = Site(tmp_path / "spool")
    site.folder.mkdir()
    site.folder.chmod(0o777)
    with pytest.raises(BackendUnavailableError, match="chmod o-w"):
        site.process()


@pytest.mark.parametrize("place", ["file", "file/spool"])
def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path, place: str) -> None:
    """A file stands in its place, or in its way."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="cannot be made"):
        Site(tmp_path / place).process()


def test_without_a_spool_nothing_is_written(tmp_path: Path) -> None:
    """And what could not be saved ends with its process, as ever."""
    site = Site(tmp_path)
    process = site.process(spool=None)
    site.is_broken("write")
    with pytest.raises(BackendUnavailableError):
        process.save(LOGIN)
    assert list(tmp_path.iterdir()) == []


def test_every_opener_takes_it(tmp_path: Path) -> None:
    """The stores by name, by URL, and the tokens of any program; without a refresh policy it is a mistake."""
    url = f"sqlite:///{tmp_path}/tokens.db"
    openers: list[Callable[[Path], Any]] = [
        lambda spool: z.open_store(url, spool=spool),
        lambda spool: open_tokens(url, spool=spool),
        lambda spool: open_async_tokens(url, spool=spool)._tokens,
        lambda spool: z.SQLiteStore(tmp_path / "tokens.db", spool=spool),
        lambda spool: z.InMemoryStore(spool=spool),
    ]
    for number, opener in enumerate(openers):
        opener(tmp_path / str(number)).close()
        assert (tmp_path / str(number)).is_dir()
    with pytest.raises(ConfigurationError, match="spool= needs a refresh policy"):
        z.open_store(url, refresh=None, spool=tmp_path / "none")
    assert not (tmp_path / "none").exists()
