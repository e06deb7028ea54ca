"""What a URL may say, and what becomes of it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.redis.conftest import Open
from tests.redis.support import rows_in
from tests.support.servers.redis import LocalRedis
from zoho_tokenstore.backends.redis import RedisBackend
from zoho_tokenstore.backends.redis._urls import RedisSettings, settings_of
from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.records import Row

DEFAULTS: dict[str, Any] = {"prefix": "zoho-tokens", "timeout": 5.0, "allow_eviction": False}


def read(url: str, **given: Any) -> RedisSettings:
    return settings_of(url, **(DEFAULTS | given))


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("redis://localhost", "redis://localhost:6379/0"),
        ("redis://localhost/", "redis://localhost:6379/0"),
        ("redis://10.0.0.1:7000/3", "redis://10.0.0.1:7000/3"),
        ("redis://[::1]:7000/3", "redis://[::1]:7000/3"),
        ("redis://user:p%40ss%3A%2F@localhost", "redis://localhost:6379/0"),
        ("rediss://:pass@localhost", "rediss://localhost:6379/0"),
        ("redis+sentinel://one,two:7000/main", "redis+sentinel://one:26379,two:7000/main/0"),
        ("redis+sentinel://u:p@one/main%2F2/4", "redis+sentinel://one:26379/main%2F2/4"),
        ("rediss+sentinel://[::1],two/main/4", "rediss+sentinel://[::1]:26379,two:26379/main/4"),
        ("redis+cluster://one,two:7000", "redis+cluster://one:6379,two:7000"),
        ("rediss+cluster://u:p@one/0", "rediss+cluster://one:6379"),
    ],
)
def test_location_names_the_servers_without_a_password(url: str, location: str) -> None:
    """The location is the URL with ports and database written out, and without the login."""
    assert read(url).address == location


@pytest.mark.parametrize(
    ("userinfo", "login"),
    [
        ("", {}),
        ("user:pass@", {"username": "user", "password": "pass"}),
        (":pass@", {"password": "pass"}),
        ("user@", {"username": "user"}),
        ("us%3Aer:p%40ss%2F%23%25@", {"username": "us:er", "password": "p@ss/#%"}),
    ],
)
def test_login_is_read(userinfo: str, login: dict[str, str]) -> None:
    """User name and password are taken from the URL, percent-decoded, and shown nowhere."""
    settings = read(f"redis://{userinfo}localhost")
    assert settings.login == login
    assert "pass" not in f"{settings!r} {settings.address}"


def test_options_of_the_url_take_the_place_of_arguments() -> None:
    """Prefix, timeout, eviction and TLS can be said in the URL, which then counts."""
    url = (
        "rediss://localhost?prefix=portal&timeout=2.5&allow_eviction=yes"
        "&ssl_ca_path=/etc/ssl&ssl_check_hostname=no"
    )
    settings = read(url, timeout=9.0, ssl_cert_reqs="none")
    assert (settings.prefix, settings.timeout, settings.allow_eviction) == ("portal", 2.5, True)
    assert settings.extra == {
        "ssl_ca_path": "/etc/ssl",
        "ssl_check_hostname": False,
        "ssl_cert_reqs": "none",
    }


@pytest.mark.parametrize(
    "url",
    [
        "",
        "redis://",
        "redis:///0",
        "redis://:secret@",
        "redis://:secret@localhost:port",
        "redis://:secret@localhost:99999",
        "redis://:secret@one,two",
        "redis://:secret@localhost/0/1",
        "redis://:secret@localhost/tokens",
        "redis://:secret@localhost/-1",
        "redis://:secret@localhost/¹",
        "redis://:sec#secret@localhost",
        "redis://:secret@[::1",
        "redis+sentinel://:secret@localhost",
        "redis+sentinel://:secret@localhost/main/x",
        "redis+sentinel://:secret@localhost/main/0/1",
        "redis+cluster://:secret@localhost/1",
        "redis+cluster://:secret@localhost,,other",
        "redis+other://:secret@localhost",
        "unix://:secret@localhost",
        "redis://:secret@localhost?timeout=0",
        "redis://:secret@localhost?timeout=soon",
        "redis://:secret@localhost?allow_eviction=perhaps",
        "redis://:secret@localhost?colour=red",
        "redis://:secret@localhost?prefix=a&prefix=b",
        "redis://:secret@localhost?prefix=",
        "redis://:secret@localhost?prefix=a{b",
        "redis://:secret@localhost?ssl_ca_certs=x",
        "redis://:secret@localhost?sentinel_password=secret",
    ],
)
def test_a_url_that_cannot_be_used(url: str) -> None:
    """It is a `ConfigurationError` that quotes no password, before anything is connected to."""
    with pytest.raises(ConfigurationError) as caught:
        RedisBackend(url)
    assert "secret" not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"


@pytest.mark.parametrize(
    "given",
    [
        {"timeout": 0},
        {"timeout": float("inf")},
        {"timeout": True},
        {"timeout": "5"},
        {"timeout": None},
        {"prefix": ""},
        {"prefix": "{a}"},
        {"prefix": None},
        {"colour": "red"},
        {"ssl_ca_certs": "x"},
        {"sentinel_username": "x"},
    ],
)
def test_an_argument_that_cannot_be_used(given: dict[str, Any]) -> None:
    """It is a `ConfigurationError`."""
    with pytest.raises(ConfigurationError):
        RedisBackend("redis://localhost", **given)


def test_stores_are_told_apart(local: LocalRedis, open_store: Open) -> None:
    """Stores with another prefix, or in another database, share nothing; a URL opens what a call does."""
    stores = [
        open_store(local.url),
        open_store(local.url, prefix="zoho-tokens-2"),
        open_store(local.url.replace("/0", "/1")),
    ]
    for number, store in enumerate(stores):
        store.write(Row(id="1", user_name=str(number)), expect=None)
        store.leases.replace("a", "", f"text {number}", 60_000)
    assert [[row.user_name for row in rows_in(store.scan())] for store in stores] == [["0"], ["1"], ["2"]]
    assert [store.leases.read("a").text for store in stores] == ["text 0", "text 1", "text 2"]
    again = RedisBackend.from_url(urlsplit(local.url + "?prefix=zoho-tokens-2"))
    assert [row.user_name for row in rows_in(again.scan())] == ["1"]
    assert again.location == stores[1].location
    again.close()
    assert stores[1].clear() == 1
    assert stores[0].load("1") is not None
