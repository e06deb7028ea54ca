"""What a store in a file keeps whatever fails: the n-th file operation fails, n = 1, 2, … until a run passes.

Old or new, never neither, never silence. A `FileKind` says what the store and its file are like.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, ParamSpec
from unittest import mock

import pytest

from tests.support import Fault, Faults
from tests.support.tokens import token
from zoho_tokenstore.errors import TokenStoreError
from zoho_tokenstore.repository import TokenRepository

Tokens = dict[str | None, str | None]
P = ParamSpec("P")

FAULTS = pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.name)
LASTING = pytest.mark.parametrize("once", [True, False], ids=["once", "from then on"])
END = 1000


class FileKind(NamedTuple):
    """A store that is kept in a file.

    `check_closed` asserts that a file that nobody has open is sound, with nothing left beside it;
    `check_failed` what holds right after a change in which these operations failed.
    """

    name: str
    open: Callable[[Path], TokenRepository]
    faults: Callable[[Path], AbstractContextManager[Faults]]
    check_closed: Callable[[Path], object]
    check_failed: Callable[[Path, set[str]], object] = lambda path, operations: None


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


def fill(tokens: TokenRepository) -> str:
    """Save the tokens that are there before a change; return the id of the first."""
    first, _ = [tokens.save(token(str(name), str(text))).id or "" for name, text in BEFORE.items()]
    return first


def stored(tokens: TokenRepository) -> Tokens:
    """All tokens; looked up by id, too, so that what the backend remembers is read as well."""
    found = {record.user_name: record.access_token for record in tokens.scan()}
    for record in list(tokens.scan()):
        assert tokens.get(record.id or "") == record
    return found


def returns(call: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> bool:
    """Whether the call returns: then it is promised that it is done. Otherwise it says so, our way."""
    try:
        call(*args, **kwargs)
    except TokenStoreError:
        return False
    return True


Failing = Callable[[], AbstractContextManager[None]]
"""The operation of an attempt fails in the block, and all later ones if the fault lasts."""


def fail_each(
    kind: FileKind, folder: Path, fault: Fault, once: bool, attempt: Callable[[Path, Failing, Faults], bool]
) -> int:
    """Attempt something with the first, second, … operation failing; return how many attempts failed.

    An attempt gets a path in a folder of its own, and returns whether its call returned.
    """
    failures = 0
    with kind.faults(folder) as faults:
        for n in itertools.count(1):
            path = folder / str(n) / kind.name
            path.parent.mkdir()
            promised = attempt(path, functools.partial(_armed, faults, n, fault, once), faults)
            kind.check_closed(path)
            failures += not promised
            if not faults.fired:
                break
            assert n < END
    assert promised
    return failures


@contextlib.contextmanager
def _armed(faults: Faults, n: int, fault: Fault, once: bool) -> Iterator[None]:
    faults.arm(after=n, fault=fault, once=once)
    try:
        yield
    finally:
        faults.disarm()


def fail_change(kind: FileKind, folder: Path, fault: Fault, once: bool, change: str) -> int:
    """A change that fails leaves the old or the new; the same store, a new one and the file agree.

    Returns how many failed.
    """
    call, becomes = CHANGES[change]
    template = folder / kind.name
    with kind.open(template) as tokens:
        fill(tokens)

    def attempt(path: Path, failing: Failing, faults: Faults) -> bool:
        shutil.copyfile(template, path)
        with kind.open(path) as tokens:
            assert stored(tokens) == BEFORE
            first = next(found.id or "" for found in tokens.scan() if found.user_name == "first")
            with failing():
                promised = returns(call, tokens, first)
            kind.check_failed(path, {operation for operation, _ in faults.fired})
            found = stored(tokens)
            assert found == becomes if promised else found in (BEFORE, becomes), faults.fired
            with kind.open(path) as another:
                assert stored(another) == found
            call(tokens, first)
            assert stored(tokens) == becomes
        return promised

    return fail_each(kind, folder, fault, once, attempt)


def fail_opening(
    kind: FileKind, folder: Path, fault: Fault, once: bool, prepare: Callable[[Path], object], before: Tokens
) -> int:
    """An opening that fails loses no token, and a second one works; one that returns has opened.

    Returns how many failed.
    """

    def open_and_use(path: Path, failing: Failing) -> None:
        with contextlib.ExitStack() as opening:
            opening.enter_context(failing())
            with kind.open(path) as tokens:
                opening.close()  # the fault is over
                assert tokens.delete(tokens.save(token("one more")).id or "")

    def attempt(path: Path, failing: Failing, faults: Faults) -> bool:
        prepare(path)
        promised = returns(open_and_use, path, failing)
        with kind.open(path) as tokens:
            assert stored(tokens) == before, faults.fired
            tokens.save(token("one more"))
        return promised

    return fail_each(kind, folder, fault, once, attempt)


@contextlib.contextmanager
def recorded(kind: FileKind, folder: Path) -> Iterator[list[tuple[str, str]]]:
    """All file operations in the block, in their order, with the name of the file; none fails."""
    done: list[tuple[str, str]] = []
    with (
        kind.faults(folder) as faults,
        mock.patch.object(faults, "strike", lambda operation, name: done.append((operation, name))),
    ):
        yield done


def check_acknowledged(newest: dict[str, int], tokens: TokenRepository) -> int:
    """Of every owner there is one row, with the newest token that a killed process acknowledged or a newer.

    `newest` is what `tests.support.nursery` tells; an error of a process is in it as an owner of no place.
    Returns how many rows there are.
    """
    assert [owner for owner in newest if not owner.startswith("place")] == []
    rows = [(one.user_name, int(str(one.access_token).removeprefix("access-"))) for one in tokens.scan()]
    numbers = dict(rows)
    assert len(rows) == len(numbers) == tokens.count()
    assert {owner: number for owner, number in newest.items() if numbers.get(owner, -1) < number} == {}
    return len(rows)
