"""Clauses about Zoho's unmodified SDK with the store, before the local Zoho."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from zoho_tokenstore.testing._abilities import Ability
from zoho_tokenstore.testing._children import Child
from zoho_tokenstore.testing._program import Program, program_with, start_sdk, who
from zoho_tokenstore.testing._subject import StoreSubject, together
from zoho_tokenstore.testing._tokens import none_is_an_answer
from zoho_tokenstore.testing.steps import attempt

_THREADS = 8
_PROCESSES, _THREADS_EACH = 4, 3
_MANY_THREADS = 12
"""More than the token requests that Zoho grants for one login within ten minutes."""

_ANSWER_TIME_S = 0.2
"""How long a token request takes: long enough for all threads to find the token expired."""


_APOSTROPHE = "o'brien@zylker.example"


class EndToEndClauses(StoreSubject):
    """A program with the unmodified SDK keeps its users logged in, and each is who they are."""

    @pytest.fixture
    def program(
        self, request: pytest.FixtureRequest, store: Any, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[Program]:
        """A program with the store; restarted, it has a second handle if there can be one."""

        def reopen() -> Any:
            try:
                return request.getfixturevalue("other")
            except pytest.skip.Exception:
                return store

        with program_with(store, reopen, tmp_path_factory.mktemp("sdk")) as program:
            yield program

    def test_sdk_accepts_the_store(self, program: Program) -> None:
        """The SDK can be initialized with the store, as one of its `TokenStore`s, and its calls work."""
        program.log_in()
        assert program.who() == program.users[0].email

    @pytest.mark.parametrize("start", ["code", "refresh token", "id", "name"])
    def test_sdk_logs_in_once(self, program: Program, start: str) -> None:
        """A login is made once: a restarted program needs no token request, however it names the user."""
        user = program.users[1]
        first = program.refresh_token(user) if start == "refresh token" else program.code(user)
        token = program.start(**first)
        again = {"id": {"id": token.get_id()}, "name": {"user_name": user.user_name}}.get(start, first)
        requests = program.token_requests()
        program.restart(**again)
        assert program.who() == user.email
        assert program.token_requests() == requests == 1

    def test_sdk_renews_once(self, program: Program) -> None:
        """An expired access token is renewed by one token request; the next call and a restart need none."""
        login = program.log_in()
        program.expire(login)
        assert program.who() == program.who() == program.users[0].email
        program.restart(id=login)
        assert program.who() == program.users[0].email
        assert program.zoho.counters().refreshes == 1

    def test_sdk_renews_again_and_again(self, program: Program) -> None:
        """A login survives its renewals: the third one has the same refresh token as the first."""
        login = program.log_in()
        for _ in range(3):
            program.expire(login)
            program.restart(id=login)
            assert program.who() == program.users[0].email
        assert [*program.zoho.counters().refreshes_by_token.values()] == [3]

    @pytest.mark.parametrize("by", ["id", "name"])
    def test_sdk_switches_users(self, program: Program, by: str) -> None:
        """Two users of one client: after `switch_user` each call is made as the user who was meant."""
        users = program.users[:2]
        logins = [program.log_in(user) for user in users]
        program.restart(id=logins[0])
        for number in (1, 0, 1):
            name = users[number].user_name
            program.switch(**({"id": logins[number]} if by == "id" else {"user_name": name}))
            assert program.who() == users[number].email
        assert program.token_requests() == 2

    def test_sdk_renews_each_user(self, program: Program) -> None:
        """Two users whose access tokens have expired are each renewed with their own refresh token."""
        users = program.users[:2]
        logins = [program.log_in(user) for user in users]
        program.expire(*logins)
        for user, login in zip(users, logins, strict=True):
            program.restart(id=login)
            assert program.who() == user.email
        assert [*program.zoho.counters().refreshes_by_token.values()] == [1, 1]

    def test_sdk_keeps_clients_apart(self, program: Program) -> None:
        """Two OAuth clients of one user have a login each: each works, and is renewed, with its own."""
        clients = program.zoho.default_client, program.second_client
        logins = [program.log_in(client=client) for client in clients]
        for client, login in zip(clients, logins, strict=True):
            program.expire(login)
            program.restart(id=login)
            assert program.who() == program.users[0].email
            assert program.last("token:refresh_token").client == client.client_id
            assert program.last("users").client == client.client_id

    def test_sdk_revokes_a_login(self, program: Program) -> None:
        """`revoke(id)` ends the login at Zoho that has this id."""
        _skip_unless_revocable()
        first, second = [program.log_in(user) for user in program.users[:2]]
        assert program.restart(id=second).revoke(first) is True
        assert program.zoho.counters().revocations == 1
        program.restart(id=first)
        with pytest.raises(PermissionError):
            program.who()

    def test_sdk_revokes_nobody_else(self, program: Program) -> None:
        """`revoke(id)` ends no other login than the one with this id; an unknown id ends none."""
        _skip_unless_revocable()
        first, second = [program.log_in(user) for user in program.users[:2]]
        token = program.restart(id=second)
        attempt(lambda: token.revoke("1234567890"))
        assert program.zoho.counters().revocations == 0
        attempt(lambda: token.revoke(second))
        program.restart(id=first)
        assert program.who() == program.users[0].email

    def test_sdk_removes_one_login(self, program: Program) -> None:
        """`remove()` takes the login out of the store, and no other."""
        first, second = [program.log_in(user) for user in program.users[:2]]
        assert program.restart(id=first).remove() is True
        with pytest.raises(Exception, match=r"."):
            program.restart(id=first)
        program.restart(id=second)
        assert program.who() == program.users[1].email

    @pytest.mark.parametrize("is_named", [False, True], ids=["without a name", "with the name"])
    def test_sdk_logs_in_again(self, program: Program, is_named: bool) -> None:
        """Whoever withdrew the access can log in again: the new login works, and is renewed."""
        user = program.users[0]
        old = program.log_in(user)
        program.end(old)
        name = {"user_name": user.user_name} if is_named else {}
        token = program.restart(**program.code(user) | name)
        assert program.who() == user.email
        program.expire(token.get_id())
        program.restart(id=token.get_id())
        assert program.who() == user.email

    def test_sdk_reports_a_refusal(self, program: Program) -> None:
        """If Zoho refuses a renewal, the call fails: it isn't made with another token."""
        refused, _ = [program.log_in(user) for user in program.users[:2]]
        program.end(refused)
        program.expire(refused)
        outcome, error = attempt(lambda: (program.restart(id=refused), program.who())[1])
        assert error is not None, f"the call was made as {outcome}"

    def test_sdk_survives_a_refusal(self, program: Program) -> None:
        """If Zoho refuses one user's renewal, all others work on, and are renewed."""
        refused, other = [program.log_in(user) for user in program.users[:2]]
        program.end(refused)
        program.expire(refused, other)
        attempt(lambda: (program.restart(id=refused), program.who()))
        program.restart(id=other)
        assert program.who() == program.users[1].email

    def test_sdk_keeps_an_apostrophe(self, program: Program) -> None:
        """A user with an apostrophe in the address logs in once, and is found again by name and id."""
        user = program.zoho.add_user(_APOSTROPHE)
        login = program.log_in(user)
        for again in ({"id": login}, {"user_name": user.user_name}):
            program.restart(**again)
            assert program.who() == user.email
        assert program.token_requests() == 1

    def test_sdk_serves_threads_as_themselves(self, program: Program) -> None:
        """Eight threads of two users with expired access tokens are all served, each as its own user."""
        users = program.users[:2]
        logins = [program.log_in(user) for user in users]
        program.expire(*logins)
        program.restart(id=logins[0])

        def call(number: int) -> str:
            program.switch(id=logins[number % 2])
            return program.who()

        assert together(_THREADS, call) == [users[number % 2].email for number in range(_THREADS)]

    def test_sdk_stays_within_zohos_limit(self, program: Program) -> None:
        """Twelve threads whose access token has expired are all served: Zoho refuses no token request."""
        login = program.log_in()
        program.restart(id=login)
        program.expire(login)
        program.zoho.fault("token:refresh_token", "slow", seconds=_ANSWER_TIME_S)
        served = together(_MANY_THREADS, lambda _: attempt(program.who))
        requests = program.zoho.counters()
        assert requests.denied == 0, f"{requests.count('token:refresh_token')} token requests"
        assert [who for who, _ in served] == [program.users[0].email] * _MANY_THREADS

    def test_sdk_processes_stay_within_zohos_limit(self, program: Program, tmp_path: Path) -> None:
        """Four processes with three threads each, whose access token has expired, are all served, too."""
        self.need(Ability.PERSISTENT, Ability.SHARED)
        login, urls = program.log_in(), program.zoho.environment_args()
        with ExitStack() as stack:
            children = [stack.enter_context(Child(self.opener(tmp_path))) for _ in range(_PROCESSES)]
            for number, child in enumerate(children):
                child.wait_until_open()
                child.ask(start_as, urls, program.folder / str(number), login)
            program.expire(login)
            program.zoho.fault("token:refresh_token", "slow", seconds=_ANSWER_TIME_S)
            for child in children:
                child.begin(call_in_threads)
            served = [child.hear() for child in children]
        requests = program.zoho.counters()
        assert requests.denied == 0, f"{requests.count('token:refresh_token')} token requests"
        assert served == [[program.users[0].email] * _THREADS_EACH] * _PROCESSES


def start_as(store: Any, urls: tuple[str, str, str], folder: Path, login: str) -> Iterator[None]:
    """Start a program in this process, as the user of a login."""
    folder.mkdir()
    start_sdk(store, urls, folder, id=login)
    yield


def call_in_threads(_: Any) -> Iterator[list[str | None]]:
    """Yield who the program of this process is to Zoho, in each of its threads."""
    yield [user for user, _ in together(_THREADS_EACH, lambda _: attempt(who))]


def _skip_unless_revocable() -> None:
    if not none_is_an_answer():
        pytest.skip("revoke(id) of this SDK fails before it asks the store; 8.0 can from release 7.0.0 on")
