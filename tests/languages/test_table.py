"""One MySQL table for `DBStore` of Node and TypeScript, of Python, and for `SQLStore`, turn by turn."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.languages import peers
from tests.languages.conftest import NODE_ALONE, Login
from tests.languages.peers import NODE, PHP, Died, Peer, Program
from tests.languages.test_file import Open, row, save, seen
from tests.sql import published, support
from zoho_tokenstore import Keyset, SQLStore

pytestmark = pytest.mark.clear  # where a test is about a sealed store, it has its own key


@pytest.fixture
def theirs(program: Program, place: dict[str, str]) -> Peer:
    """The other language's `DBStore` on the table."""
    return program.at(place)


def stored(url: str) -> dict[str, tuple[Any, ...]]:
    """The ten columns of all rows, by id."""
    return {found[0]: found[:10] for found in support.query(url, "SELECT * FROM oauthtoken")}


def test_their_table_is_taken_over(theirs: Peer, opened: Open, url: str, login: Login) -> None:
    """We find each of their rows by id, user and refresh token; they find all that we saved and deleted."""
    users = {str(number): login(f"user{number}") for number in (1, 2, 3)}
    theirs(*(("save_token", user) for user in users.values()))
    ours = opened(SQLStore(url))
    for number, user in users.items():
        by_user = {"user_name": user["user_name"]}
        by_token = {name: user[name] for name in ("client_id", "client_secret", "refresh_token")}
        found = ours(("find_token_by_id", number), ("find_token", by_user), ("find_token", by_token))
        assert found == [row(number, user)] * 3
    changed = login("user2", "2")
    ours(("save_token", login("new")), ("save_token", changed), ("delete_token", "3"))
    assert seen(theirs) == seen(ours)
    assert seen(theirs)["user2"] == row("2", changed)
    assert sorted(seen(theirs)) == ["new", "user1", "user2"]


def test_turn_by_turn(theirs: Peer, opened: Open, url: str, login: Login) -> None:
    """Each in turn saves a user, changes another's and deletes one; all three always find the same."""
    everybody = {
        "theirs": theirs,
        "ours": opened(SQLStore(url)),
        "python": peers.ours(published.store(url)),
    }
    expected: dict[str, str] = {}
    for turn in range(12):
        name, peer = list(everybody.items())[turn % 3]
        new, old = f"{name}{turn}", f"{list(everybody)[(turn - 1) % 3]}{turn - 1}"
        save(peer, login(new))
        expected[new] = login(new)["access_token"]
        if turn:
            save(peer, login(old, "2"))
            expected[old] = login(old, "2")["access_token"]
        if turn % 2:
            gone = min(expected)
            peer(("delete_token", seen(peer)[gone][0]))
            del expected[gone]
        views = {who: seen(one) for who, one in everybody.items()}
        assert {user: fields[5] for user, fields in views["ours"].items()} == expected
        assert views["theirs"] == views["ours"] == views["python"], f"after turn {turn} of {name}"


def test_ids_do_not_clash(theirs: Peer, opened: Open, url: str, login: Login) -> None:
    """Both save new users at the same time: all are there, each under an id of its own."""
    ours = opened(SQLStore(url))
    save(ours, login("first"))
    others = [login(f"ours{number}") for number in range(20)]
    thread = threading.Thread(target=ours, args=[("save_token", user) for user in others])
    thread.start()
    answers = theirs(*(("save_token", login(f"theirs{number}")) for number in range(20)))
    thread.join()
    assert not [answer for answer in answers if isinstance(answer, str)]
    assert len(stored(url)) == len(seen(ours)) == 41
    assert seen(theirs) == seen(ours)


def test_alone_their_eleventh_user_gets_an_id_that_is_taken(
    theirs: Peer, package: str, opened: Open, url: str, login: Login
) -> None:
    """They take the greatest id as a text: 10 comes twice. Beside one of our rows they count on from that."""
    *_, eleventh = theirs(*(("save_token", login(f"theirs{number}")) for number in range(11)))
    assert len(stored(url)) == 10
    if package == PHP:
        assert "theirs9" not in seen(theirs), "the eleventh has overwritten the tenth"
    else:
        assert eleventh == "ER_DUP_ENTRY"
    ours = opened(SQLStore(url))
    save(ours, login("ours"))
    for number in range(11, 15):
        save(theirs, login(f"theirs{number}"))
    assert seen(theirs) == seen(ours)
    assert len(stored(url)) == 15


def test_neither_overwrites_the_other_s_refresh(theirs: Peer, opened: Open, url: str, login: Login) -> None:
    """What one has refreshed, the other's next look-up returns, again and again."""
    ours = opened(SQLStore(url))
    save(ours, login("ann"))
    (token_id,) = stored(url)
    for mark in range(2, 8):
        save(theirs if mark % 2 else ours, login("ann", str(mark)))
        for peer in (theirs, ours):
            assert peer(("find_token_by_id", token_id)) == [row(token_id, login("ann", str(mark)))]


def test_a_deleted_id_is_given_again_by_them(theirs: Peer, opened: Open, url: str, login: Login) -> None:
    """The greatest id that we retired goes to their next user, and we serve that user under it."""
    theirs(*(("save_token", login(name)) for name in ("a", "b")))
    ours = opened(SQLStore(url))
    ours(("delete_token", "2"))
    theirs(("save_token", login("c")))
    assert seen(theirs)["c"][0] == "2"
    assert ours(("find_token_by_id", "2")) == [row("2", login("c"))]
    save(ours, login("c", "2"))
    assert stored(url)["2"][5] == "1000.access.c.2"


@NODE_ALONE
def test_our_deletion_ends_a_program_that_looks_for_the_id(
    package: str, place: dict[str, str], opened: Open, url: str, login: Login
) -> None:
    """Their look-up by an id that is gone is an error that nobody can catch: their program ends."""
    ours = opened(SQLStore(url))
    save(ours, login("ann"))
    (token_id,) = stored(url)
    ours(("delete_token", token_id))
    program = Program(peers.command(package))
    try:
        with pytest.raises(Died):
            program.at(place)(("find_token_by_id", token_id))
    finally:
        program.stop()


def test_an_apostrophe(theirs: Peer, package: str, opened: Open, url: str, login: Login) -> None:
    """Values go into SQL as they are: o'brien cannot be saved, and Node finds anybody by a crafted name."""
    ours = opened(SQLStore(url))
    save(ours, login("o'brien"))
    (answer,) = theirs(("save_token", login("o'brien", "2")))
    assert isinstance(answer, str), "an error"
    assert ours(("find_token", {"user_name": "o'brien"}))[0][5] == "1000.access.o'brien.1"
    (by_crafted_name,) = theirs(("find_token", {"user_name": "x' or '1'='1"}))
    found = None if by_crafted_name is None else by_crafted_name[4]
    assert found == ("1000.refresh.o'brien" if package == NODE else None)


def test_one_user_of_two_clients_is_one_row_for_them(
    theirs: Peer, opened: Open, url: str, login: Login
) -> None:
    """They look for a user by name alone: a login of one client overwrites the other client's row."""
    ours = opened(SQLStore(url))
    for client in "AB":
        save(ours, login("ann", client_id=client, refresh_token=f"refresh-{client}"))
    first, second = sorted(ours(("get_tokens",))[0])
    theirs(("save_token", login("ann", "2", client_id=second[2], refresh_token="refresh-new")))
    (found,) = ours(("find_token_by_id", first[0]))
    assert (found[2], found[4]) == (second[2], "refresh-new")
    assert first[4] not in [fields[4] for fields in ours(("get_tokens",))[0]], (
        "the other client's login is lost"
    )


def test_a_sealed_row(theirs: Peer, opened: Open, url: str, login: Login) -> None:
    """Of a sealed row they see the names; the secrets are one text in client_secret, the others are null."""
    ours = opened(SQLStore(url, keys=Keyset.generate()))
    save(ours, login("ann"))
    (token_id,) = stored(url)
    (found,) = theirs(("find_token_by_id", token_id))
    clear = login("ann")
    assert found[:3] == [token_id, "ann", clear["client_id"]]
    assert clear["client_secret"] not in found[3]
    assert found[4:7] == [None, None, None]


def test_their_save_over_a_sealed_row(theirs: Peer, opened: Open, url: str, login: Login) -> None:
    """They put their secrets in clear where ours were sealed; we refuse that row, and serve all others."""
    ours = opened(SQLStore(url, keys=Keyset.generate()))
    save(ours, login("ann"))
    save(ours, login("bob"))
    theirs(("save_token", login("ann", "2")))
    assert list(seen(ours)) == ["bob"]
    by_id = {found[1]: token_id for token_id, found in stored(url).items()}
    assert ours(("find_token_by_id", by_id["bob"])) == [row(by_id["bob"], login("bob"))]
    assert isinstance(ours(("find_token_by_id", by_id["ann"]))[0], str)


def test_a_login_of_ours_after_that(theirs: Peer, opened: Open, url: str, login: Login) -> None:
    """The user whose sealed row they overwrote logs in with us again, and is found."""
    ours = opened(SQLStore(url, keys=Keyset.generate()))
    save(ours, login("ann"))
    theirs(("save_token", login("ann", "2")))
    save(ours, login("ann", "3"))
    (found,) = ours(("find_token", {"user_name": "ann"}))
    assert found[5] == "1000.access.ann.3"


def test_clear_before_the_key(theirs: Peer, opened: Open, url: str, login: Login) -> None:
    """With `clear` first in the ring all goes on as without keys: each finds what the other saved."""
    ours = opened(SQLStore(url, keys=Keyset.from_text(f"clear {Keyset.generate().to_text()}")))
    save(ours, login("ann"))
    save(theirs, login("bob"))
    save(theirs, login("ann", "2"))
    save(ours, login("bob", "2"))
    assert seen(theirs) == seen(ours)
    assert [fields[5] for fields in seen(ours).values()] == ["1000.access.ann.2", "1000.access.bob.2"]


def test_clear_behind_the_key(theirs: Peer, opened: Open, url: str, login: Login) -> None:
    """With `clear` last we find what they saved; from our next save of it on they see no secret."""
    theirs(("save_token", login("ann")))
    ours = opened(SQLStore(url, keys=Keyset.generate().accepting_clear()))
    assert ours(("find_token_by_id", "1")) == [row("1", login("ann"))]
    save(ours, login("ann", "2"))
    assert ours(("find_token_by_id", "1")) == [row("1", login("ann", "2"))]
    (found,) = theirs(("find_token_by_id", "1"))
    assert not {login("ann", "2")["access_token"], login("ann")["refresh_token"]} & set(found)


def test_what_we_deleted_comes_back_by_their_save(theirs: Peer, opened: Open, url: str, login: Login) -> None:
    """A program that still holds the token saves it under its old id; we serve it as any row of theirs."""
    ours = opened(SQLStore(url))
    save(ours, login("ann"))
    (token_id,) = stored(url)
    ours(("delete_token", token_id))
    save(theirs, login("ann", "2", id=token_id))
    assert ours(("find_token_by_id", token_id)) == [row(token_id, login("ann", "2"))]


def test_a_login_after_our_deletion_has_a_new_id(theirs: Peer, opened: Open, url: str, login: Login) -> None:
    """Ours gives a deleted id to nobody, and they find the user under the new one."""
    ours = opened(SQLStore(url))
    save(ours, login("ann"))
    (token_id,) = stored(url)
    ours(("delete_token", token_id))
    save(ours, login("ann"))
    assert token_id not in stored(url)
    assert seen(theirs) == seen(ours)


def test_their_deletion_is_seen(theirs: Peer, opened: Open, url: str, login: Login) -> None:
    """Rows that they delete, one or all, are gone for us; we save on."""
    ours = opened(SQLStore(url))
    for name in ("ann", "bob", "carl"):
        save(ours, login(name))
    theirs(("delete_token", seen(ours)["ann"][0]))
    assert sorted(seen(ours)) == ["bob", "carl"]
    theirs(("delete_tokens",))
    assert seen(ours) == {}
    save(ours, login("dora"))
    assert list(seen(theirs)) == ["dora"]
