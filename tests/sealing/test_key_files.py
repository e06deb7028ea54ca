"""Key files: who may read them, what may be in them, and when they are read again."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sealing.support import ALICE, CLIENT, FOREIGN, NEW, OLD, change, repository, rows
from tests.support import processes
from zoho_tokenstore import ConfigurationError, Keyset, SealingError, TokenRecord, TokenRepository
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.sealing import SealingKey

POSIX = pytest.mark.skipif(os.name == "nt", reason="there, the folder's rights decide")
ROOT = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can make files of others"
)
SOMEBODY = 4711


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A key file with the old key."""
    return write(tmp_path / "portal.keys", OLD)


def write(path: Path, *keys: SealingKey | str) -> Path:
    """Put keys into a file in place of what is there, as an editor does that writes into it."""
    path.write_text(text_of(*keys), encoding="utf-8")
    path.chmod(0o600)
    return path


def put(path: Path, *keys: SealingKey | str) -> Path:
    """Put another file with keys in its place, as `zoho-tokens keys generate` does."""
    write(path.with_name("scratch"), *keys).replace(path)
    return path


def text_of(*keys: SealingKey | str) -> str:
    return "".join(f"{key if isinstance(key, str) else key.to_text()}\n" for key in keys)


@POSIX
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """Nobody may be writing into it, and the keys are read more than once."""
    os.mkfifo(tmp_path / "portal.keys", 0o600)
    with pytest.raises(ConfigurationError, match="is a pipe"):
        Keyset.from_file(tmp_path / "portal.keys")


@POSIX
class TestRights:
    @pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
    def test_the_owners_alone_is_read(self, file: Path, mode: int) -> None:
        """Whatever the owner himself may do."""
        file.chmod(mode)
        assert Keyset.from_file(file).ids == (OLD.id,)

    @pytest.mark.parametrize(
        "mode", [0o660, 0o620, 0o610, 0o644, 0o604, 0o602, 0o601, 0o666, 0o777, 0o444, 0o420]
    )
    def test_what_others_may_read_or_write_is_refused(self, file: Path, mode: int) -> None:
        """The message says what to do, with the path; the store is not opened."""
        file.chmod(mode)
        with pytest.raises(ConfigurationError, match=f"chmod 600 {file}"):
            Keyset.from_file(file)

    @ROOT
    @pytest.mark.parametrize("group", [1, SOMEBODY])
    @pytest.mark.parametrize("mode", [0o640, 0o440])
    def test_a_group_that_may_read_is_others(self, file: Path, group: int, mode: int) -> None:
        """A file of a group is refused, also if it is root's."""
        os.chown(file, 0, group)
        file.chmod(mode)
        with pytest.raises(ConfigurationError, match="can be read or written by others"):
            Keyset.from_file(file)

    @ROOT
    def test_what_systemd_hands_over_is_read(self, file: Path) -> None:
        """A credential is root's with mode 0440, and an access list that the mode cannot show."""
        os.chown(file, 0, 0)
        file.chmod(0o440)
        assert Keyset.from_file(file).ids == (OLD.id,)

    @ROOT
    def test_what_belongs_to_somebody_else_is_refused(self, file: Path) -> None:
        """He can change it, so he can read everything that is sealed from then on."""
        os.chown(file, SOMEBODY, 0)
        with pytest.raises(ConfigurationError, match="belongs to another user"):
            Keyset.from_file(file)

    @ROOT
    def test_a_user_reads_his_own_file_alone(self) -> None:
        """As nobody: his own file is read; one that is root's alone cannot be."""
        with processes.public_folder() as folder:
            own, roots = write(folder / "own", OLD), write(folder / "roots", NEW)
            os.chown(own, processes.NOBODY, processes.NOBODY)
            told = processes.without_rights(
                lambda: f"{Keyset.from_file(own).ids} {_refusal(lambda: Keyset.from_file(roots))}"
            )
        assert told == f"('{OLD.id}',) The key file {roots} cannot be read: Permission denied."

    @ROOT
    def test_rights_that_change_are_noticed_when_the_file_does(
        self, file: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A new file that others can read is not used; the keys of before are, and the log tells."""
        ring = Keyset.from_file(file)
        put(file, NEW, OLD)
        file.chmod(0o644)
        assert not ring.reload()
        assert ring.ids == (OLD.id,)
        assert "chmod 600" in caplog.text


def _refusal(make: Callable[[], object]) -> str:
    with pytest.raises(ConfigurationError) as refused:
        make()
    return str(refused.value)


class TestPlaces:
    def test_a_link_is_followed(self, file: Path) -> None:
        """What it leads to is looked at, and read again when the link leads elsewhere."""
        link = file.with_name("link")
        link.symlink_to(file)
        ring = Keyset.from_file(link)
        other = write(file.with_name("other"), NEW, OLD)
        link.unlink()
        link.symlink_to(other)
        assert ring.reload()
        assert ring.ids == (NEW.id, OLD.id)

    @POSIX
    def test_the_rights_behind_a_link_count(self, file: Path) -> None:
        """A link has none of its own."""
        link = file.with_name("link")
        link.symlink_to(file)
        file.chmod(0o644)
        with pytest.raises(ConfigurationError, match="can be read or written by others"):
            Keyset.from_file(link)

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("missing", "No such file or directory"),
            ("missing/keys", "No such file or directory"),
            (".", "Is a directory"),
            ("portal.keys/keys", "Not a directory"),
            ("loop", "Too many levels of symbolic links"),
            ("x" * 300, "File name too long"),
            ("a\0b", "NUL"),
            ("\ud800", "cannot be read"),
        ],
    )
    @POSIX
    def test_what_is_no_file_is_refused(self, file: Path, name: str, reason: str) -> None:
        """With the reason, and the path if there can be one."""
        file.with_name("loop").symlink_to(file.with_name("loop"))
        with pytest.raises(ConfigurationError, match=reason) as refused:
            Keyset.from_file(file.parent / name)
        assert "\0" not in str(refused.value)

    def test_a_relative_path_stays_where_it_was(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """After a chdir the file is read again that the path meant at first."""
        monkeypatch.chdir(file.parent)
        ring = Keyset.from_file(file.name)
        monkeypatch.chdir("/")
        put(file, NEW, OLD)
        assert ring.reload()
        assert ring.ids == (NEW.id, OLD.id)


class TestContent:
    @pytest.mark.parametrize(
        "content",
        [
            "{old}",
            "{old}\n",
            "# keys\r\n{old}\r\n",
            "\ufeff{old}\n",
            "\ufeff# Merkzettel für Schlüssel\r\n{old}\r\n",
            "# mac\r{old}\r",
            "\n\n{old} # the first\n\n",
        ],
    )
    def test_texts_of_all_editors_are_read(self, file: Path, content: str) -> None:
        """With a byte order mark or without, with the line ends of any system."""
        file.write_bytes(content.format(old=OLD.to_text()).encode())
        assert Keyset.from_file(file).ids == (OLD.id,)

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", "There is no sealing key"),
            (b"\n# nothing\n", "There is no sealing key"),
            (b"clear\n", "There is no sealing key"),
            (OLD.to_text().encode("utf-16"), "it is not UTF-8 text"),
            (b"\xff" + OLD.to_text().encode(), "it is not UTF-8 text"),
            (OLD._material, "is not a key|not UTF-8"),
            (OLD.to_text()[:-1].encode(), "is not a key"),
            (OLD.to_text().encode() + b"\0", "is not a key"),
            (OLD.to_text().encode() * 2, "is not a key"),
            (b"\x7fELF" + bytes(100), "is not a key"),
        ],
    )
    def test_what_holds_no_keys_is_refused_and_not_shown(
        self, file: Path, content: bytes, reason: str
    ) -> None:
        """Empty, cut short, of another encoding, or another file altogether."""
        file.write_bytes(content)
        with pytest.raises(ConfigurationError, match=reason) as refused:
            Keyset.from_file(file)
        chain = [refused.value, refused.value.__cause__, refused.value.__context__]
        shown = "".join(f"{error!s}{error!r}" for error in chain if not isinstance(error, UnicodeError))
        assert OLD.to_text()[5:15] not in shown
        assert refused.value.__cause__ is None
        assert refused.value.__suppress_context__ or refused.value.__context__ is None


class TestReadAgain:
    def test_a_new_first_line_seals_from_then_on(self, file: Path) -> None:
        """Without a restart: the next save is under the new key, and what is under the old one is read."""
        backend = ListBackend()
        tokens = TokenRepository(backend, keys=f"file:{file}")
        saved = tokens.save(ALICE)
        put(file, NEW, OLD)
        assert tokens.get(saved.id or "") == saved
        tokens.save(TokenRecord(id=saved.id, access_token="1000.renewed"))
        assert repository(backend, NEW).get(saved.id or "") is not None

    def test_another_process_may_be_first(self, file: Path) -> None:
        """A row under a key that was not in the file at first is read, by any look-up."""
        for query in (TokenRecord(user_name=ALICE.user_name), TokenRecord(access_token=ALICE.access_token)):
            backend = ListBackend()
            put(file, OLD)
            ring = Keyset.from_file(file)
            repository(backend, NEW, OLD).save(ALICE)
            put(file, NEW, OLD)
            found = TokenRepository(backend, keys=ring).find(query)
            assert found is not None
            assert found.refresh_token == ALICE.refresh_token
            assert ring.ids == (NEW.id, OLD.id)

    def test_it_is_not_read_while_it_is_the_same(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A look at it costs no reading."""
        ring = Keyset.from_file(file)
        monkeypatch.setattr(Path, "open", lambda *_args, **_options: pytest.fail("it was read"))
        assert not ring.reload()
        assert not ring.reload(at_once=True)
        assert not ring.reload(missing=True)

    @POSIX
    def test_another_file_of_the_same_size_and_time_is_noticed(self, file: Path) -> None:
        """By its inode."""
        ring = Keyset.from_file(file)
        before = file.stat()
        put(file, NEW)
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        after = file.stat()
        assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
        assert ring.reload()
        assert ring.ids == (NEW.id,)

    def test_a_change_in_place_is_noticed(self, file: Path) -> None:
        """By its size or its time, where an editor writes into the file."""
        ring = Keyset.from_file(file)
        write(file, NEW, OLD)
        assert ring.reload()
        write(file, OLD, NEW)
        os.utime(file, ns=(1, 1))
        assert ring.reload()
        assert ring.ids == (OLD.id, NEW.id)

    def test_it_tells_whether_the_keys_are_others(self, file: Path) -> None:
        """A file that was only touched holds the same keys."""
        ring = Keyset.from_file(file)
        os.utime(file, ns=(1, 1))
        assert not ring.reload()

    @pytest.mark.parametrize(
        "spoil", [Path.unlink, lambda path: path.write_text("ztk1_cut"), lambda path: put(path)]
    )
    def test_a_file_that_is_gone_or_spoiled_stops_nobody(
        self, file: Path, spoil: Callable[[Path], object], caplog: pytest.LogCaptureFixture
    ) -> None:
        """Reads and saves go on with the keys of before; the log tells it once each time."""
        backend = ListBackend()
        tokens = TokenRepository(backend, keys=f"file:{file}")
        saved = tokens.save(ALICE)
        spoil(file)
        for number in range(5):
            assert tokens.save(TokenRecord(id=saved.id, access_token=f"1000.{number}"))
            assert tokens.find(TokenRecord(access_token=f"1000.{number}")) is not None
            assert tokens.find(TokenRecord(access_token="1000.none")) is None
        assert told(caplog) == 1
        write(file, NEW, OLD)
        tokens.save(ALICE)
        assert repository(backend, NEW).get(saved.id or "") is not None
        file.unlink()
        tokens.save(ALICE)
        assert told(caplog) == 2

    def test_the_log_shows_no_key(self, file: Path, caplog: pytest.LogCaptureFixture) -> None:
        """Also if a key that was cut short stands in the file."""
        ring = Keyset.from_file(file)
        write(file, OLD.to_text()[:-1])
        assert not ring.reload()
        assert told(caplog) == 1
        assert OLD.to_text()[5:15] not in caplog.text
        assert OLD.to_text()[5:15] not in logging.Formatter().format(caplog.records[0])

    def test_a_missing_key_in_a_file_that_is_gone_is_a_refusal(self, file: Path) -> None:
        """Then nobody knows what the row holds. The row stays, and a save is kept: it may succeed later."""
        backend = ListBackend()
        ring = Keyset.from_file(file)
        saved = repository(backend, NEW).save(ALICE)
        before = rows(backend)
        file.unlink()
        tokens = TokenRepository(backend, keys=ring)
        for query in (
            TokenRecord(id=saved.id),
            TokenRecord(user_name=ALICE.user_name),
            TokenRecord(access_token=ALICE.access_token),
            TokenRecord(user_name=ALICE.user_name, refresh_token="1000.new", **CLIENT),
        ):
            with pytest.raises(SealingError):
                tokens.find(query)
        with pytest.raises(SealingError):
            tokens.save(ALICE)
        assert list(tokens.scan()) == []
        assert rows(backend) == before
        write(file, NEW, OLD)
        assert tokens.get(saved.id or "") == saved

    def test_a_key_that_was_taken_out_opens_nothing_more(self, file: Path) -> None:
        """Once the file was read again; a key is given up by taking it out of the file."""
        backend = ListBackend()
        put(file, NEW, OLD)
        tokens = TokenRepository(backend, keys=f"file:{file}")
        row_id = repository(backend, OLD).save(ALICE).id or ""
        assert tokens.get(row_id) is not None
        put(file, NEW)
        with pytest.raises(SealingError):
            tokens.find(TokenRecord(access_token="1000.none"))
        change(backend, row_id, redirect_url="https://new.example")  # what has been read may be known
        with pytest.raises(SealingError):
            tokens.get(row_id)

    @pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors in /proc")
    def test_no_descriptor_is_left_open(self, file: Path) -> None:
        """Neither by reading nor by refusing."""
        before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
        ring = Keyset.from_file(file)
        for number in range(50):
            put(file, NEW, OLD, *([FOREIGN] if number % 2 else ["ztk1_cut"]))
            ring.reload()
        assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def told(caplog: pytest.LogCaptureFixture) -> int:
    return sum("cannot be read again" in record.getMessage() for record in caplog.records)
