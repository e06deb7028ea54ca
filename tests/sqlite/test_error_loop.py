"""The n-th file operation fails, n = 1, 2, 3, … until a run passes: old or new, never neither, never silence.

Both SQLite's operations and Python's own are counted; see `tests.support.sqlite_faults`.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, ParamSpec

import pytest

from tests.sqlite.conftest import FIXTURE
from tests.sqlite.tokens import holds_a_token, is_sound, token
from tests.support.sqlite_faults import Fault, Faults, sqlite_faults
from zoho_tokenstore.errors import TokenStoreError
from zoho_tokenstore.registry import open_repository
from zoho_tokenstore.repository import TokenRepository

Tokens = dict[str | None, str | None]
P = ParamSpec("P")

FAULTS = pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.name)
LASTING = pytest.mark.parametrize("once", [True, False], ids=["once", "from then on"])
END = 1000


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


def id_of(tokens: TokenRepository, user_name: str) -> str:
    return next(found.id or "" for found in tokens.scan() if found.user_name == user_name)


def open_at(path: Path) -> TokenRepository:
    return open_repository(f"sqlite:///{path}?timeout=0.05")


def stored(tokens: TokenRepository) -> Tokens:
    """All tokens; looked up by id, too, so that what a connection remembers is read as well."""
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


def closed_well(path: Path) -> bool:
    """Sound, and nothing beside it; but for what could not be removed of a creation that failed.

    That never held a token, and goes at the first opening after a while.
    """
    for left in set(path.parent.iterdir()) - {path}:
        assert ".new" in left.name
        assert not holds_a_token(left)
        os.utime(left, (0, 0))
    open_at(path).close()
    assert list(path.parent.iterdir()) == [path]
    return is_sound(path)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "tokens.db"
    with open_at(path) as tokens:
        for name, access_token in BEFORE.items():
            tokens.save(token(str(name), str(access_token)))
    return path


@LASTING
@FAULTS
@pytest.mark.parametrize("change", CHANGES)
def test_a_failing_change_leaves_the_old_or_the_new(
    quick_folder: Path, template: Path, change: str, fault: Fault, once: bool
) -> None:
    """Update, insert, deletion and clear(): same store, a new store and the file all agree afterwards."""
    call, becomes = CHANGES[change]
    failures = 0
    with sqlite_faults(directory=quick_folder) as faults:
        for n in itertools.count(1):
            path = quick_folder / str(n) / "tokens.db"
            path.parent.mkdir()
            shutil.copyfile(template, path)
            with open_at(path) as tokens:
                assert stored(tokens) == BEFORE
                first = id_of(tokens, "first")
                faults.arm(after=n, fault=fault, once=once)
                promised = returned(call, tokens, first)
                faults.disarm()
                fired = bool(faults.fired)
                found = stored(tokens)
                assert found == becomes if promised else found in (BEFORE, becomes), faults.fired
                with open_at(path) as another:
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
    """A new database is there whole or not at all; a second try works, and clears up after the first."""
    opened = opening_loop(quick_folder, fault, once, prepare=lambda path: None, before={})
    assert opened > 10


@LASTING
@FAULTS
@pytest.mark.clear
def test_a_failing_adoption_loses_no_token(quick_folder: Path, fault: Fault, once: bool) -> None:
    """The nine tokens of a published database are there after every failure of the migration."""
    with open_at(shutil.copyfile(FIXTURE, quick_folder / "whole.db")) as tokens:
        before = stored(tokens)
    assert len(before) == 9

    def prepare(path: Path) -> None:
        shutil.copyfile(FIXTURE, path)

    opened = opening_loop(quick_folder, fault, once, prepare, before)
    assert opened > 20


def opening_loop(
    folder: Path, fault: Fault, once: bool, prepare: Callable[[Path], None], before: Tokens
) -> int:
    """Open databases with the n-th operation failing, and then without; return how many failed."""
    failures = 0
    with sqlite_faults(directory=folder) as faults:
        for n in itertools.count(1):
            path = folder / str(n) / "tokens.db"
            path.parent.mkdir()
            prepare(path)
            promised = returned(open_failing, path, faults, n, fault, once)
            faults.disarm()
            fired = list(faults.fired)
            with open_at(path) as tokens:
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
    with open_at(path) as tokens:
        faults.disarm()
        tokens.save(token("one more"))
        assert tokens.delete(id_of(tokens, "one more"))
