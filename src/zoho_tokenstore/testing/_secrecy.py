"""Clauses about secrets: who can read a store's files, and what shows a secret."""

from __future__ import annotations

import base64
import io
import logging
import os
import stat
import sys
import traceback
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from zoho_tokenstore.testing._abilities import Ability
from zoho_tokenstore.testing._hostile import LONE_SURROGATE
from zoho_tokenstore.testing._subject import StoreSubject, close_store
from zoho_tokenstore.testing.steps import ALICE, BOB, CLIENT, attempt, found, stored

_NAMES: Final = ("client_secret", "refresh_token", "access_token", "grant_token")
_SECRETS: Final = frozenset(str(user[name]) for user in (ALICE, BOB) for name in _NAMES)
_USUAL_UMASK: Final = 0o022
_WIRE_LOGS: Final = ("botocore.", "boto3.", "urllib3.")
"""Loggers of drivers that show each request at DEBUG, by design: whoever turns them on means to see it."""


class SecrecyClauses(StoreSubject):
    """Secrets are for the store's owner and its callers, and for nobody else."""

    def test_files_are_their_owners_alone(self, tmp_path: Path) -> None:
        """Nobody but their owner can read a store's files, whatever the umask permits (022)."""
        with self.usual_umask():
            store = self.new_store(tmp_path)
            stored(store, ALICE)
            assert {path.name for path in open_to_others(tmp_path)} == set()
            close_store(store)

    def test_passing_files_are_their_owners_alone(self, tmp_path: Path) -> None:
        """Nobody but their owner can read the files that exist only while a store saves."""
        with self.usual_umask():
            store = self.new_store(tmp_path)
            seen = open_while(tmp_path, partial(stored, store, ALICE))
            seen |= open_while(tmp_path, partial(stored, store, ALICE | {"access_token": "1000.renewed"}))
            close_store(store)
            assert {path.name for path in seen if not path.exists()} == set()

    def test_errors_show_no_secret(self, store: Any) -> None:
        """What a store raises shows no secret in its message or traceback, nor does what led to it."""
        shown = "".join(refusals(store))
        assert secrets_in(shown) == set()

    def test_logs_show_no_secret(self, tmp_path: Path) -> None:
        """What a store logs at any level, warns of or prints shows no secret."""
        with overheard() as said:
            store = self.new_store(tmp_path)
            list(refusals(store))
            attempt(partial(use, store))  # what it refuses is not the question here
            close_store(store)
        assert secrets_in(said.getvalue()) == set()

    def test_reprs_show_no_secret(self, store: Any) -> None:
        """The `repr` and `str` of a store and of its tokens show no secret."""
        alice = stored(store, ALICE)
        shown = [store, store.find_token_by_id(alice["id"]), store.get_tokens()]
        assert secrets_in("".join(f"{it!r} {it!s}" for it in shown)) == set()

    def test_sealed_files_show_no_secret(self, tmp_path: Path) -> None:
        """A store that seals keeps no secret in any file, neither in plain text nor merely encoded."""
        self.need(Ability.SEALED, Ability.FILES)
        store = self.new_store(tmp_path)
        use(store)
        stored(store, ALICE)
        close_store(store)
        kept = b"".join(path.read_bytes() for path in files_of(tmp_path))
        assert kept
        assert {secret for secret in _SECRETS if any(form in kept for form in forms_of(secret))} == set()

    @contextmanager
    def usual_umask(self) -> Iterator[None]:
        """Let new files be readable by everybody, unless a store sees to it that they aren't."""
        self.need(Ability.FILES)
        if os.name != "posix":
            pytest.skip("this system has no permissions of that kind")
        before = os.umask(_USUAL_UMASK)
        try:
            yield
        finally:
            os.umask(before)


def secrets_in(text: str) -> set[str]:
    """Return the names of the secrets that a text shows."""
    return {secret for secret in _SECRETS if secret in text}


def files_of(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder and below."""
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, name) for name in names)


def open_to_others(folder: Path) -> set[Path]:
    """Return the files in a folder that have content, and that others than their owner can read."""
    return {path for path in files_of(folder) if _is_open(path, folder)}


def _is_open(path: Path, folder: Path) -> bool:
    try:
        status = path.stat()
        inside = [parent.stat().st_mode for parent in path.parents if folder in parent.parents]
    except FileNotFoundError:
        return False
    closed = any(not mode & (stat.S_IRWXG | stat.S_IRWXO) for mode in inside)
    return bool(status.st_size and status.st_mode & (stat.S_IRGRP | stat.S_IROTH)) and not closed


def open_while(folder: Path, work: partial[Any]) -> set[Path]:
    """Return the files in a folder that others can read at any moment of some work."""
    seen: set[Path] = set()

    def look(_frame: object, event: str, _argument: object) -> None:
        if event == "c_return":
            seen.update(open_to_others(folder))

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        work()
    finally:
        sys.setprofile(before)
    return seen


def refusals(store: Any) -> Iterator[str]:
    """Ask a store for what it should refuse, and yield what it raises, with traceback."""
    alice = stored(store, ALICE)
    strange = [
        BOB | {name: text} for name in ("id", "user_name", "access_token") for text in (LONE_SURROGATE, "\0")
    ]
    calls: list[partial[Any]] = [
        partial(stored, store, fields) for fields in (BOB | {"id": alice["id"]}, *strange)
    ]
    calls += [partial(found, store, **fields) for fields in (*strange, {"id": "nobody"})]
    calls += [partial(store.find_token_by_id, "nobody"), partial(store.delete_token, "nobody")]
    calls += [partial(store.save_token, {"access_token": ALICE["access_token"]})]
    for call in calls:
        try:
            call()
        except Exception as error:  # noqa: BLE001  # whatever it raises
            yield "".join(traceback.format_exception(error))


def use(store: Any) -> None:
    """Call all six methods."""
    for fields in (ALICE, BOB, ALICE | {"access_token": BOB["access_token"]}):
        stored(store, fields)
    found(store, **CLIENT, refresh_token=ALICE["refresh_token"])
    for token in store.get_tokens():
        store.find_token_by_id(token.get_id())
        store.delete_token(token.get_id())
    store.delete_tokens()


@contextmanager
def overheard() -> Iterator[io.StringIO]:
    """Collect what is logged at any level, warned of and printed."""
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    handler.addFilter(lambda record: not record.name.startswith(_WIRE_LOGS))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        with warnings.catch_warnings(record=True) as warned, redirect_stdout(said), redirect_stderr(said):
            warnings.simplefilter("always")
            yield said
        said.writelines(str(warning.message) for warning in warned)
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


def forms_of(secret: str) -> Iterable[bytes]:
    """Yield a secret as it is, and as encodings that hide nothing show it."""
    plain = secret.encode()
    yield from (
        plain,
        plain[::-1],
        plain.hex().encode(),
        plain.hex().upper().encode(),
        secret.encode("utf-16-le"),
    )
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for shift in range(3):  # where it begins in what was encoded
            yield encode(b"\0" * shift + plain)[4 * (shift > 0) : -4]
