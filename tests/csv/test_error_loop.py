"""The n-th file operation fails, n = 1, 2, … until a run passes: old or new, never neither, never silence."""

from __future__ import annotations

import errno
import itertools
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, ParamSpec

import pytest

from tests.csv.support import FIXTURE, NAME, beside, open_tokens, token
from tests.support import Fault, Faults, os_faults
from zoho_tokenstore.backends._csv.content import is_whole
from zoho_tokenstore.errors import BackendUnavailableError, TokenStoreError
from zoho_tokenstore.repository import TokenRepository

Tokens = dict[str | None, str | None]
P = ParamSpec("P")

FAULTS = pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.name)
LASTING = pytest.mark.parametrize("once", [True, False], ids=["once", "from then on"])
END = 200
TTL = 30_000
ALWAYS = {"*.lock", "*.leases.lock"}


class Change(NamedTuple):
    """A call that changes what is stored, and what is stored then."""

    call: Callable[[TokenRepository, str], object]  # with the id of the first token
    becomes: Tokens


BEFORE: Tokens = {"first": "access-1", "second": "access-1"}
CHANGES = {
    "update": Change(
        lambda tokens, _: tokens.save(token("first", "access-2")), BEFORE | {"first": "access-2"}
    ),
    "insert": Change(lambda tokens, _: tokens.save(token("third")), BEFORE | {"third": "access-1"}),
    "delete": Change(lambda tokens, first: tokens.delete(first), {"second": "access-1"}),
    "clear": Change(lambda tokens, _: tokens.clear(), {}),
}


@pytest.fixture
def quick_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in memory where the system has one: for hundreds of flushes that need no disk."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path_factory.mktemp("quick")
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder).resolve()


def id_of(tokens: TokenRepository, user_name: str) -> str:
    return next(found.id or "" for found in tokens.scan() if found.user_name == user_name)


def stored(tokens: TokenRepository) -> Tokens:
    """All tokens; looked up by id, too, so that what the backend remembers is read as well."""
    found = {record.user_name: record.access_token for record in tokens.scan()}
    for record in list(tokens.scan()):
        assert tokens.get(record.id or "") == record
    return found


def returned(call: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> bool:
    """Whether the call returned: then it is promised that it is done. Otherwise it says so, our way."""
    try:
        call(*args, **kwargs)
    except TokenStoreError:
        return False
    return True


def no_secret_beside(path: Path) -> None:
    """Whatever is left beside the file holds no token, even before the next opening."""
    for left in set(path.parent.iterdir()) - {path}:
        assert b"access-" not in left.read_bytes(), left


def closed_well(path: Path) -> bool:
    open_tokens(path).close()
    assert beside(path) - {"*.leases", "*.retired"} == ALWAYS
    return is_whole(path.read_bytes())


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / NAME
    with open_tokens(path) as tokens:
        for name, access_token in BEFORE.items():
            tokens.save(token(str(name), str(access_token)))
    return path


def fresh(folder: Path, n: int) -> Path:
    path = folder / str(n) / NAME
    path.parent.mkdir()
    return path


REASONS = {
    errno.ENOSPC: "the disk is full. Free some space",
    errno.EDQUOT: "the disk is full. Free some space",
    errno.EACCES: "access is denied. Give this user the right to write",
    errno.EROFS: "its file system is read-only",
    errno.EBUSY: "it is a mount of its own, and cannot be replaced. Mount its folder instead",
    errno.EIO: "the disk failed to read or write",
    errno.EMFILE: "Too many open files. Check the file system",
}


@pytest.mark.parametrize("number", REASONS, ids=errno.errorcode.get)
def test_every_refusal_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """And has the operating system's error as its cause; the old token stays."""
    tokens = open_tokens(tmp_path / NAME)
    tokens.save(token("first"))

    def replace(source: object, target: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", replace)
        with pytest.raises(BackendUnavailableError, match=re.escape(REASONS[number])) as refused:
            tokens.save(token("first", "access-2"))
    assert isinstance(refused.value.__cause__, OSError)
    assert stored(tokens) == {"first": "access-1"}
    assert beside(tmp_path / NAME) == ALWAYS


@LASTING
@FAULTS
@pytest.mark.parametrize("change", CHANGES)
def test_a_failing_change_leaves_the_old_or_the_new(
    quick_folder: Path, template: Path, change: str, fault: Fault, once: bool
) -> None:
    """Update, insert, deletion and clear(): same store, a new store and the file all agree afterwards."""
    call, becomes = CHANGES[change]
    failures = 0
    with os_faults(directory=quick_folder) as faults:
        for n in itertools.count(1):
            path = shutil.copyfile(template, fresh(quick_folder, n))
            with open_tokens(path) as tokens:
                assert stored(tokens) == BEFORE
                first = id_of(tokens, "first")
                faults.arm(after=n, fault=fault, once=once)
                promised = returned(call, tokens, first)
                faults.disarm()
                fired = list(faults.fired)
                if not ({"os.unlink", "os.replace"} <= {operation for operation, _ in fired}):
                    no_secret_beside(path)
                found = stored(tokens)
                assert found == becomes if promised else found in (BEFORE, becomes), fired
                with open_tokens(path) as another:
                    assert stored(another) == found
                call(tokens, first)
                assert stored(tokens) == becomes
            assert closed_well(path)
            failures += not promised
            if not fired:
                break
            assert n < END
    assert promised
    assert failures > 3


@LASTING
@FAULTS
def test_a_failing_first_opening_leaves_nothing_or_a_store(
    quick_folder: Path, fault: Fault, once: bool
) -> None:
    """A new file is there whole or not at all; a second try works, and clears up after the first."""
    opened = opening_loop(quick_folder, fault, once, prepare=lambda path: None, before={})
    assert opened > 5


@LASTING
@FAULTS
@pytest.mark.clear
def test_a_failing_take_over_loses_no_token(quick_folder: Path, fault: Fault, once: bool) -> None:
    """The tokens of a file of the SDK's are there after every failure of the opening."""
    with open_tokens(shutil.copyfile(FIXTURE, quick_folder / NAME)) as tokens:
        before = stored(tokens)
    assert len(before) > 15

    def prepare(path: Path) -> None:
        shutil.copyfile(FIXTURE, path)
        os.utime(path, (0, 0))

    opened = opening_loop(quick_folder, fault, once, prepare, before)
    assert opened > 5


def opening_loop(
    folder: Path, fault: Fault, once: bool, prepare: Callable[[Path], None], before: Tokens
) -> int:
    """Open files with the n-th operation failing, and then without; return how many failed."""
    failures = 0
    with os_faults(directory=folder) as faults:
        for n in itertools.count(1):
            path = fresh(folder, n)
            prepare(path)
            promised = returned(open_failing, path, faults, n, fault, once)
            faults.disarm()
            fired = list(faults.fired)
            with open_tokens(path) as tokens:
                assert stored(tokens) == before, fired
                tokens.save(token("one more"))
            assert closed_well(path), fired
            failures += not promised
            if not fired:
                break
            assert n < END
    assert promised
    return failures


def open_failing(path: Path, faults: Faults, n: int, fault: Fault, once: bool) -> None:
    """An opening that returns has opened: the store works once the fault is over."""
    faults.arm(after=n, fault=fault, once=once)
    with open_tokens(path) as tokens:
        faults.disarm()
        tokens.save(token("one more"))
        assert tokens.delete(id_of(tokens, "one more"))


@LASTING
@FAULTS
def test_failing_leases_leave_the_old_or_the_new(quick_folder: Path, fault: Fault, once: bool) -> None:
    """What has been replaced is so for everybody, what failed is said."""
    failures = 0
    with os_faults(directory=quick_folder) as faults:
        for n in itertools.count(1):
            path = fresh(quick_folder, n)
            with open_tokens(path) as tokens, open_tokens(path) as other:
                faults.arm(after=n, fault=fault, once=once)
                first = returned(tokens.leases.replace, "a", "", "one", TTL)
                second = first and returned(tokens.leases.replace, "a", "one", "two", TTL)
                given = second and returned(tokens.leases.replace, "a", "two", "three", TTL)
                faults.disarm()
                # What failed may be there all the same; nothing else may be.
                may_be = (
                    ("three",)
                    if given
                    else ("two", "three")
                    if second
                    else ("one", "two")
                    if first
                    else ("", "one")
                )
                assert other.leases.read("a").text in may_be
                assert other.leases.replace("b", "", "two", TTL)
            assert closed_well(path)
            failures += not given
            if not faults.fired:
                break
            assert n < END
    assert given
    assert failures > 5
