"""One file for `FileStore` of Node and TypeScript, of Python, and for `CSVStore`, turn by turn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.languages import peers
from tests.languages.conftest import NODE_ALONE, Login, Start
from tests.languages.peers import NODE_2, Peer, Program
from zoho_tokenstore import CSVStore, Keyset

pytestmark = pytest.mark.clear  # the other languages read no sealed file

Open = Callable[[Any], Peer]
Seen = dict[str, list[str | None]]


@pytest.fixture
def theirs(program: Program, path: Path) -> Peer:
    """The other language's `FileStore` on the file."""
    return program.at(str(path))


def seen(peer: Peer) -> Seen:
    """All tokens that a peer finds, by user; without the line end that Node takes for a part of a cell."""
    (found,) = peer(("get_tokens",))
    assert isinstance(found, list), found
    return {fields[1]: [*fields[:9], (fields[9] or "").rstrip("\r") or None] for fields in found}


def row(token_id: str | None, login: dict[str, str]) -> list[str | None]:
    """What a peer returns for a login under this id."""
    names = ("user_name", "client_id", "client_secret", "refresh_token", "access_token")
    return [token_id, *map(login.get, (*names, "grant_token", "expires_in", "redirect_url", "api_domain"))]


def save(peer: Peer, login: dict[str, str]) -> None:
    (answer,) = peer(("save_token", login))
    assert not isinstance(answer, str), f"the save failed: {answer}"


def test_their_file_is_taken_over(theirs: Peer, opened: Open, path: Path, login: Login) -> None:
    """We find each of their rows by id, user and refresh token; they find all that we saved and deleted."""
    users = {str(number): login(f"user{number}") for number in (1, 2, 3)}
    theirs(*(("save_token", user) for user in users.values()))
    ours = opened(CSVStore(path))
    for number, user in users.items():
        by_user = {"user_name": user["user_name"]}
        by_token = {name: user[name] for name in ("client_id", "client_secret", "refresh_token")}
        found = ours(("find_token_by_id", number), ("find_token", by_user), ("find_token", by_token))
        assert found == [row(number, user)] * 3
    changed = login("user2", "2")
    ours(("save_token", login("new")), ("save_token", changed), ("delete_token", "3"))
    stored = seen(ours)
    assert seen(theirs) == stored
    assert stored["user2"] == row("2", changed)
    assert sorted(stored) == ["new", "user1", "user2"]


def test_turn_by_turn(theirs: Peer, python: Peer, opened: Open, path: Path, login: Login) -> None:
    """Each in turn saves a user, changes another's and deletes one; all three always find the same."""
    theirs(("get_tokens",))
    ours = opened(CSVStore(path))
    peers = {"theirs": theirs, "ours": ours, "python": python}
    expected: dict[str, str] = {}
    for turn in range(9):
        name, peer = list(peers.items())[turn % 3]
        new, old = f"{name}{turn}", f"{list(peers)[(turn - 1) % 3]}{turn - 1}"
        save(peer, login(new))
        expected[new] = login(new)["access_token"]
        if turn:
            save(peer, login(old, "2"))
            expected[old] = login(old, "2")["access_token"]
        if turn % 2:
            gone = min(expected)
            peer(("delete_token", seen(peer)[gone][0]))
            del expected[gone]
        views = {who: seen(one) for who, one in peers.items()}
        assert {user: fields[5] for user, fields in views["ours"].items()} == expected
        assert views["theirs"] == views["ours"] == views["python"], f"after turn {turn} of {name}"


def test_ids_do_not_clash(theirs: Peer, opened: Open, path: Path, login: Login) -> None:
    """They count on from the greatest id, also from ours; no two users get one."""
    theirs(("save_token", login("a")))
    ours = opened(CSVStore(path))
    for number in range(6):
        save(ours if number % 2 else theirs, login(f"user{number}"))
    stored = seen(theirs)
    assert len(stored) == 7
    assert len({fields[0] for fields in stored.values()}) == 7
    assert seen(ours) == stored


def test_unicode_and_quotes_inside_a_value_are_kept(
    theirs: Peer, opened: Open, path: Path, login: Login
) -> None:
    """Letters of any script pass both ways."""
    theirs(("save_token", login("zoë@zylker.example")))
    ours = opened(CSVStore(path))
    save(ours, login("日本@zylker.example"))
    stored = seen(ours)
    assert seen(theirs) == stored
    assert sorted(stored) == ["zoë@zylker.example", "日本@zylker.example"]


@NODE_ALONE
def test_our_comma_breaks_their_row_only(theirs: Peer, opened: Open, path: Path, login: Login) -> None:
    """They split at every comma, so they misread that row; they keep it as it is while they save others."""
    ours = opened(CSVStore(path))
    comma, other = login("Doe, Jane"), login("other")
    save(ours, comma)
    save(ours, other)
    assert seen(theirs)["other"] == seen(ours)["other"]
    assert "Doe, Jane" not in seen(theirs)
    save(theirs, login("other", "2"))
    save(theirs, login("third"))
    found = seen(ours)
    assert sorted(found) == ["Doe, Jane", "other", "third"]
    assert found["Doe, Jane"] == row(found["Doe, Jane"][0], comma)


def test_their_comma_breaks_that_row_only(theirs: Peer, opened: Open, path: Path, login: Login) -> None:
    """They write it without quotes: nobody can read that row, they neither; we serve all others and save."""
    theirs(("save_token", login("first")), ("save_token", login("Doe, Jane")), ("save_token", login("last")))
    assert "Doe, Jane" not in seen(theirs)
    ours = opened(CSVStore(path))
    assert sorted(seen(ours)) == ["first", "last"]
    save(ours, login("new"))
    assert sorted(seen(ours)) == ["first", "last", "new"]
    assert {"first", "last", "new"} < set(seen(theirs))
    assert ours(("find_token", {"user_name": "Doe, Jane"})) == [None]


def test_quotes_around_a_value_are_lost(theirs: Peer, opened: Open, path: Path, login: Login) -> None:
    """They write quotes as they are, which every other reader takes for marks around the value."""
    theirs(("save_token", login('"quoted"')), ("save_token", login('in"side')))
    assert sorted(seen(opened(CSVStore(path)))) == ['in"side', "quoted"]


@NODE_ALONE
def test_python_line_ends_reach_their_api_domain(
    theirs: Peer, python: Peer, opened: Open, path: Path, login: Login
) -> None:
    """A row of Python's `FileStore` ends in CR LF: they take CR for a part of the domain. Ours does not."""
    python(("save_token", login("python")))
    domain = login("x")["api_domain"]
    assert theirs(("find_token_by_id", "1"))[0][9] == f"{domain}\r"
    ours = opened(CSVStore(path))
    save(ours, login("ours"))
    assert {fields[9] for fields in theirs(("get_tokens",))[0]} == {domain}


def test_one_user_of_two_clients_is_one_row_for_them(
    theirs: Peer, opened: Open, path: Path, login: Login
) -> None:
    """They look for a user by name alone: a login of one client overwrites the other client's row."""
    ours = opened(CSVStore(path))
    for client in "AB":
        save(ours, login("ann", client_id=client, refresh_token=f"refresh-{client}"))
    first, second = theirs(("get_tokens",))[0]
    theirs(("save_token", login("ann", "2", client_id=second[2], refresh_token="refresh-new")))
    (found,) = ours(("find_token_by_id", first[0]))
    assert (found[2], found[4]) == (second[2], "refresh-new")
    assert first[4] not in [fields[4] for fields in ours(("get_tokens",))[0]], (
        "the other client's login is lost"
    )


def test_their_clearing_is_seen(theirs: Peer, opened: Open, path: Path, login: Login) -> None:
    """After their deleteTokens() our store is empty, and saves on."""
    ours = opened(CSVStore(path))
    save(ours, login("ann"))
    theirs(("delete_tokens",))
    assert seen(ours) == {}
    save(ours, login("bob"))
    assert list(seen(theirs)) == list(seen(ours)) == ["bob"]


def test_a_deleted_id_is_given_again_by_them(theirs: Peer, opened: Open, path: Path, login: Login) -> None:
    """The greatest id that we retired goes to their next user, and we serve that user under it."""
    theirs(*(("save_token", login(name)) for name in ("a", "b")))
    ours = opened(CSVStore(path))
    ours(("delete_token", "2"))
    theirs(("save_token", login("c")))
    assert seen(theirs)["c"][0] == "2"
    assert ours(("find_token_by_id", "2"))[0] == row("2", login("c"))
    save(ours, login("c", "2"))
    assert seen(theirs)["c"][5] == "1000.access.c.2"


def test_a_file_of_node_2(started: Start, opened: Open, path: Path, login: Login) -> None:
    """A file of the SDK 2.0 (nine columns, e-mail addresses, ids that are texts) is taken over."""
    users = [login(f"{name}@zylker.example", id=f"node_{name}_US_1234") for name in ("ann", "bob")]
    started(peers.command(NODE_2)).at(str(path))(*(("save_token", user) for user in users))
    assert path.read_text(encoding="utf-8").startswith("id,user_mail,")
    found = seen(opened(CSVStore(path)))
    assert found == {user["user_name"]: [*row(user["id"], user)[:9], None] for user in users}


def test_what_we_deleted_comes_back_by_their_save(
    theirs: Peer, opened: Open, path: Path, login: Login
) -> None:
    """A program that still holds the token saves it under its old id; we serve it as any row of theirs."""
    ours = opened(CSVStore(path))
    save(ours, login("ann"))
    token_id = str(seen(ours)["ann"][0])
    ours(("delete_token", token_id))
    save(theirs, login("ann", "2", id=token_id))
    assert ours(("find_token_by_id", token_id)) == [row(token_id, login("ann", "2"))]


def test_their_save_over_a_sealed_row(theirs: Peer, opened: Open, path: Path, login: Login) -> None:
    """They put secrets in clear where sealed ones were; we refuse that row, and serve all others."""
    ours = opened(CSVStore(path, keys=Keyset.generate()))
    save(ours, login("ann"))
    save(ours, login("bob"))
    sealed = seen(theirs)["ann"]
    assert sealed[4:7] == [None, None, None]
    assert sealed[3] != "secret"
    save(theirs, login("ann", "2"))
    assert list(seen(ours)) == ["bob"]
    save(ours, login("ann", "3"))
    assert ours(("find_token", {"user_name": "ann"}))[0][5] == "1000.access.ann.3"
