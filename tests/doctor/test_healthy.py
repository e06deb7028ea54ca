"""Set-ups in which nothing is wrong: nothing is found, and every check was made."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest

from tests.contract.stores import CASES
from tests.doctor.support import HOUR_MS, KEY, SECRET, csv, examined, fill, login, note, save, sqlite
from tests.support.chosen import chosen
from zoho_tokenstore import Client, Keyset, RefreshToken, open_repository, open_tokens
from zoho_tokenstore._util.clock import now_ms
from zoho_tokenstore.doctor import Report, examine
from zoho_tokenstore.emulator import Emulator
from zoho_tokenstore.renewal._lease_entry import LeaseEntry, RecordedFailure

Make = Callable[[Path], "str | tuple[str, dict[str, Any]]"]
LOCAL: Final[dict[str, Make]] = {}


def local(make: Make) -> Make:
    """Register a set-up that needs no server. It returns the store's URL, and perhaps how to examine it."""
    LOCAL[make.__name__] = make
    return make


def assert_healthy(report: Report) -> None:
    assert report.findings == ()
    assert report.not_checked == {}
    assert report.is_healthy


@local
def sealed_sqlite(folder: Path) -> str:
    return fill(sqlite(folder))


@local
def sealed_csv(folder: Path) -> str:
    return fill(csv(folder))


@local
def csv_after_many_saves(folder: Path) -> str:
    for number in range(20):
        fill(csv(folder), login(f"user-{number % 7}"))
    return csv(folder)


@local
def empty_store(folder: Path) -> str:
    open_repository(sqlite(folder), keys=KEY).close()
    return sqlite(folder)


@local
def one_login(folder: Path) -> str:
    return fill(sqlite(folder), login("ann"))


@local
def keys_in_a_file(folder: Path) -> tuple[str, dict[str, Any]]:
    path = folder / "keys"
    path.write_text(f"# ours\n{KEY}\n")
    path.chmod(0o600)
    return fill(sqlite(folder)), {"keys": f"file:{path}"}


@local
def keys_in_a_read_only_file(folder: Path) -> tuple[str, dict[str, Any]]:
    path = folder / "keys"
    path.write_text(KEY)
    path.chmod(0o400)
    return fill(sqlite(folder)), {"keys": f"file:{path}"}


@local
def keys_of_a_key_service(folder: Path) -> tuple[str, dict[str, Any]]:
    return fill(sqlite(folder)), {"keys": lambda: KEY}


@local
def standby_key(folder: Path) -> tuple[str, dict[str, Any]]:
    return fill(sqlite(folder)), {"keys": f"{KEY} {Keyset.generate().to_text()}"}


@local
def shared_with_a_group(folder: Path) -> str:
    url = fill(sqlite(folder))
    (folder / "zohooauth.db").chmod(0o660)
    folder.chmod(0o770)
    return url


@local
def path_with_blanks_and_umlauts(folder: Path) -> str:
    (folder / "Schlüssel #?").mkdir()
    return fill(f"sqlite:///{quote(str(folder))}/Schl%C3%BCssel%20%23%3F/z.db")


@local
def link_to_the_file(folder: Path) -> str:
    fill(sqlite(folder))
    (folder / "link.db").symlink_to(folder / "zohooauth.db")
    return f"sqlite:///{folder / 'link.db'}"


@local
def url_with_options(folder: Path) -> str:
    return f"{fill(sqlite(folder))}?timeout=5&spent_codes=refuse"


@local
def with_deleted_logins(folder: Path) -> str:
    with open_repository(sqlite(folder), keys=KEY) as repository:
        ann, _ = save(repository, login("ann"), login("bob"))
        repository.delete(ann.id or "")
    return sqlite(folder)


@local
def sandbox_beside_production(folder: Path) -> str:
    sandbox = login("ann", api_domain="https://sandbox.zohoapis.eu", refresh_token=f"{SECRET}-sandbox")
    return fill(sqlite(folder), login("ann"), sandbox)


@local
def two_clients_of_one_user(folder: Path) -> str:
    other = login("ann", client_id="1000.OTHER", refresh_token=f"{SECRET}-other")
    return fill(sqlite(folder), login("ann"), other)


@local
def client_of_several_data_centres(folder: Path) -> str:
    domains = ("www.zohoapis.com", "www.zohoapis.in", "www.zohoapis.eu", "www.zohoapis.ae")
    return fill(sqlite(folder), *(login(domain, api_domain=f"https://{domain}") for domain in domains))


@local
def self_client_without_a_refresh_token(folder: Path) -> str:
    return fill(sqlite(folder), login("ann"), login("app", refresh_token=None, grant_token=f"{SECRET}-code"))


@local
def expired_login_that_can_be_renewed(folder: Path) -> str:
    return fill(sqlite(folder), login("ann", expires_at_ms=now_ms() - HOUR_MS))


@local
def failure_of_a_moment_ago(folder: Path) -> str:
    with open_repository(sqlite(folder), keys=KEY) as repository:
        (ann,) = save(repository, login("ann"))
        failure = RecordedFailure("transient", None, now_ms() + 1000, now_ms() - 5000, 2)
        note(repository, ann, LeaseEntry(failure=failure))
    return sqlite(folder)


@local
def half_of_the_budget_used(folder: Path) -> str:
    with open_repository(sqlite(folder), keys=KEY) as repository:
        (ann,) = save(repository, login("ann"))
        note(repository, ann, LeaseEntry(sent=tuple(now_ms() - each * 1000 for each in range(5, 0, -1))))
    return sqlite(folder)


@local
def renewed_by_the_local_zoho(folder: Path) -> str:
    with Emulator() as zoho, open_tokens(sqlite(folder), keys=KEY, accounts_url=zoho.url) as tokens:
        client = Client(zoho.default_client.client_id, zoho.default_client.client_secret)
        mine = tokens.log_in(client, RefreshToken(zoho.mint_refresh_token()))
        for _ in range(3):
            tokens.refresh(mine.id or "")
    return sqlite(folder)


@local
def revoked_then_logged_in_again(folder: Path) -> str:
    with open_repository(sqlite(folder), keys=KEY) as repository:
        (ann,) = save(repository, login("ann"))
        note(repository, ann, LeaseEntry(failure=RecordedFailure("rejected", "invalid_code", 0, now_ms(), 1)))
        save(repository, login("ann", refresh_token=f"{SECRET}-new", access_token=f"{SECRET}-new"))
    return sqlite(folder)


@local
def refused_elsewhere(folder: Path) -> str:
    with open_repository(sqlite(folder), keys=KEY) as repository:
        (ann,) = save(repository, login("ann"))
        failure = RecordedFailure("rejected", "invalid_code", 0, now_ms(), 1, "https://accounts.zoho.com")
        note(repository, ann, LeaseEntry(failure=failure))
    return sqlite(folder)


@local
def invalidated_token(folder: Path) -> str:
    with open_tokens(fill(sqlite(folder), login("ann")), keys=KEY) as tokens:
        (ann,) = tokens.scan()
        tokens.invalidate(ann.id or "")
    return sqlite(folder)


@local
def copied_from_another_store(folder: Path) -> str:
    from zoho_tokenstore.copying import copy

    copy(fill(csv(folder)), sqlite(folder), source_keys=KEY, destination_keys=KEY)
    return sqlite(folder)


@local
def sqlite_by_sqlalchemy(folder: Path) -> str:
    return fill(f"sql+sqlite:///{folder / 'tokens.db'}")


@pytest.mark.parametrize("name", LOCAL)
def test_a_healthy_set_up(folder: Path, name: str) -> None:
    """Nothing is found, and what is found nothing in is unchanged."""
    made = LOCAL[name](folder)
    url, options = made if isinstance(made, tuple) else (made, {})
    before = sorted((path, path.stat().st_mtime_ns) for path in folder.rglob("*"))
    assert_healthy(examined(url, **options))
    assert sorted((path, path.stat().st_mtime_ns) for path in folder.rglob("*")) == before


def test_there_are_25_of_them() -> None:
    """At least, without those on servers."""
    assert len(LOCAL) >= 25


def test_a_store_in_use(folder: Path) -> None:
    """With a connection, a log and a writer between two saves."""
    with open_repository(sqlite(folder), keys=KEY) as repository:
        save(repository, login("ann"))
        assert_healthy(examined(sqlite(folder)))
        save(repository, login("bob"))
        assert examined(sqlite(folder)).rows == 2


def test_postgresql(pg: str) -> None:
    """As it comes, in a schema of its own."""
    assert_healthy(examined(fill(pg)))
    assert_healthy(examined(fill(f"{pg}&table=tokens_of_portal&pool_size=2")))


def test_mariadb(maria: str) -> None:
    """As it comes, and with another table."""
    assert_healthy(examined(fill(maria)))
    assert_healthy(examined(fill(f"{maria}?table=tokens_of_portal")))


def test_redis(redis_url: str) -> None:
    """With an append-only file."""
    assert_healthy(examined(fill(redis_url)))


@pytest.mark.skipif(bool(chosen()), reason="only where all stores are tested")
@pytest.mark.parametrize("kind", ["dynamodb", "secretsmanager"])
def test_aws(kind: str, folder: Path) -> None:
    """Secrets Manager encrypts by itself; what is in it need not be sealed."""
    url = CASES[kind].url(folder)
    with contextlib.closing(open_repository(url, keys=KEY)) as repository:
        save(repository, login("ann"))
    report = examine(url, keys=KEY)
    assert_healthy(report)
    if kind == "secretsmanager":
        with contextlib.closing(open_repository(CASES[kind].url(folder / "clear"))) as repository:
            repository.save(login("ann"))
        assert_healthy(examine(CASES[kind].url(folder / "clear")))
