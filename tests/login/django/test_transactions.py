"""A renewal is not in the request's transaction; threads share one store."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import OperationalError, connections, transaction

from tests.login.django.support import Browser, Project, tokens, use_database, use_server
from zoho_tokenstore import BackendTimeoutError, SessionPolicy, open_repository
from zoho_tokenstore.emulator import Emulator
from zoho_tokenstore.login.django._databases import url_of


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def atomic(request: pytest.FixtureRequest, project: Project, tmp_path: Path) -> Iterator[str]:
    """The view's database, with ATOMIC_REQUESTS. The logins are in it too, but for SQLite."""
    alias = "default" if request.param == "sqlite" else str(request.param)
    if alias == "default":
        project.set(STORE=f"sqlite:///{tmp_path}/logins.db")
    else:
        use_server(alias, tmp_path)
        project.set(STORE=alias)
    with connections[alias].cursor() as cursor:
        cursor.execute("CREATE TABLE written (what varchar(20))")
    use_database(alias, ATOMIC_REQUESTS=True)
    yield alias
    use_database(alias, ATOMIC_REQUESTS=False)


def written(alias: str) -> int:
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM written")
        return int(cursor.fetchone()[0])


def test_a_view_that_fails_after_a_renewal(
    project: Project, zoho: Emulator, atomic: str, patricia: str
) -> None:
    """Django undoes what the view wrote; the renewed token stays, as Zoho has replaced the old one."""
    browser = project.browser()
    browser.log_in(patricia)
    before = project.stored[0].access_token
    with pytest.raises(ZeroDivisionError):
        browser.page("/renew-and-fail")
    after = project.stored[0]
    assert after.access_token != before
    assert zoho.is_live(after.access_token or "")
    assert written(atomic) == 0
    assert browser.page("/renew-and-fail?no").status_code == 200
    assert written(atomic) == 1


@pytest.mark.parametrize(
    ("path", "error", "is_renewed"),
    [("/write-and-renew", BackendTimeoutError, False), ("/renew-and-fail?no", OperationalError, True)],
)
def test_the_same_sqlite_file(
    project: Project, zoho: Emulator, patricia: str, path: str, error: type[Exception], is_renewed: bool
) -> None:
    """There, the store and a view lock each other out; the stored token is a good one in either case."""
    use_database("default", ATOMIC_REQUESTS=True, OPTIONS={"timeout": 0.3})
    try:
        browser = project.browser()
        browser.log_in(patricia)
        with connections["default"].cursor() as cursor:
            cursor.execute("CREATE TABLE written (what varchar(20))")
        before = project.stored[0]
        with pytest.raises(error, match="locked"):
            browser.page(path)
        after = tokens().get(before.id or "")
        assert (after.access_token != before.access_token) is is_renewed
        assert zoho.is_live(after.access_token or "")
        assert browser.user == patricia
    finally:
        use_database("default", ATOMIC_REQUESTS=False, OPTIONS={})


def test_logging_in_and_out(project: Project, patricia: str, rajesh: str) -> None:
    """With ATOMIC_REQUESTS on SQLite, neither waits for a lock that its own request holds."""
    use_database("default", ATOMIC_REQUESTS=True)
    try:
        browser = project.browser()
        browser.log_in(patricia)
        browser.log_in(rajesh)
        browser.log_in(rajesh)
        assert browser.user == rajesh
        browser.post("/logout")
        assert project.stored == []
    finally:
        use_database("default", ATOMIC_REQUESTS=False)


def test_a_transaction_of_ones_own(project: Project) -> None:
    """What is undone there is Django's, not the store's."""
    login = project.make_login()
    with transaction.atomic():
        tokens().refresh(login)
        transaction.set_rollback(True)
    with open_repository(url_of("default")) as repository:
        assert repository.get(login) == tokens().get(login)


def test_threads_share_one_store(project: Project) -> None:
    """However many ask for it first, it is opened once."""
    found: list[object] = []
    gate = threading.Barrier(8)

    def ask() -> None:
        gate.wait()
        found.append(tokens())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(each) for each in found}) == 1


def test_many_users_at_once(project: Project, zoho: Emulator) -> None:
    """Each browser in a thread of its own: everybody sees their own name, and writes as themselves."""
    project.set(SESSIONS=SessionPolicy(per_user=5))
    users = [zoho.add_user(f"user{number}@zylker.example", f"user {number}").email for number in range(6)]
    seen: dict[str, str] = {}

    def use(user: str) -> None:
        try:
            browser: Browser = project.browser()
            browser.log_in(user)
            names = {browser.user for _ in range(5)}
            browser.page("/leads")
            seen[user] = names.pop() if len(names) == 1 else repr(names)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=use, args=(user,)) for user in users]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {user: user for user in users}
    assert {entry.user for entry in zoho.journal("records")} == set(users)
