"""Settings of `DATABASES` as the URL of a store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from tests.login.django.support import Project, use_database
from zoho_tokenstore import BackendError, open_repository
from zoho_tokenstore.login.django import _databases as databases
from zoho_tokenstore.login.django._databases import url_of
from zoho_tokenstore.login.django._site import site


@pytest.fixture
def place(project: Project) -> Iterator[dict[str, Any]]:
    settings = connections.settings["postgresql"]
    before = dict(settings)
    yield settings
    settings.clear()
    settings.update(before)


@pytest.mark.parametrize(
    ("options", "url"),
    [
        ({"HOST": "db.example", "PORT": "5433"}, "postgresql://u@db.example:5433/portal"),
        ({"HOST": "::1"}, "postgresql://u@[::1]/portal"),
        ({}, "postgresql://u@/portal"),
        ({"HOST": "/run/pg", "PORT": 1}, "postgresql://u@/portal?host=%2Frun%2Fpg&port=1"),
        ({"HOST": "a,b"}, "postgresql://u@/portal?host=a%2Cb"),
        ({"USER": "", "NAME": "", "OPTIONS": {"service": "main"}}, "postgresql:///?service=main"),
        ({"PASSWORD": "p@:/?#%"}, "postgresql://u:p%40%3A%2F%3F%23%25@/portal"),
        (
            {"OPTIONS": {"sslmode": "verify-full", "pool": True}},
            "postgresql://u@/portal?sslmode=verify-full",
        ),
        ({"OPTIONS": {"assume_role": "app"}}, "postgresql://u@/portal?options=-crole%3Dapp"),
        (
            {"OPTIONS": {"assume_role": "app", "options": "-c a=b"}},
            "postgresql://u@/portal?options=-c+a%3Db+-crole%3Dapp",
        ),
        ({"OPTIONS": {"prepare_threshold": None}}, "postgresql://u@/portal"),
        ({"HOST": "db.example", "PORT": None}, "postgresql://u@db.example/portal"),
        (dict.fromkeys(["HOST", "PORT", "USER", "PASSWORD"]), "postgresql:///portal"),
    ],
)
def test_postgresql(place: dict[str, Any], options: dict[str, Any], url: str) -> None:
    place.update(
        {"NAME": "portal", "USER": "u", "PASSWORD": "", "HOST": "", "PORT": "", "OPTIONS": {}} | options
    )
    assert url_of("postgresql") == url


@pytest.mark.parametrize(
    ("options", "url"),
    [
        ({"HOST": "db", "PORT": "3307"}, "mysql://u@db:3307/portal"),
        ({"HOST": None, "PORT": None}, "mysql://u@localhost/portal"),
        ({"HOST": "/run/my.sock"}, "mysql://u@localhost/portal?unix_socket=%2Frun%2Fmy.sock"),
        ({"OPTIONS": {"charset": "utf8mb4", "init_command": "SET x"}}, "mysql://u@localhost/portal"),
        ({"OPTIONS": {"unix_socket": None, "ssl": {"ca": None}}}, "mysql://u@localhost/portal"),
        ({"OPTIONS": {"ssl": {"ca": "/ca.pem"}}}, "mysql://u@localhost/portal?ssl_ca=%2Fca.pem"),
    ],
)
def test_mysql(options: dict[str, Any], url: str) -> None:
    place = {"NAME": "portal", "USER": "u", "PASSWORD": "", "HOST": "", "PORT": ""} | options
    found = dict(databases._options_of("mysql", place.get("OPTIONS", {})))
    assert databases._server("mysql", place, found) == url


@pytest.mark.parametrize("options", [{"ssl_mode": "REQUIRED"}, {"ssl": {"cipher": "x"}}])
def test_what_keeps_the_way_safe_is_not_left_out(options: dict[str, Any]) -> None:
    """An option that our driver lacks is refused."""
    with pytest.raises(ImproperlyConfigured, match=r"ssl_mode|ssl\.cipher"):
        dict(databases._options_of("mysql", options))


def test_sqlite(project: Project, tmp_path: Path) -> None:
    """A path, with what a URL would read otherwise; options of the same meaning are kept."""
    odd = tmp_path / "a b?#%.db"
    use_database("default", NAME=odd, OPTIONS={"timeout": 5})
    try:
        assert url_of("default") == f"sqlite:///{tmp_path}/a%20b%3F%23%25.db?timeout=5"
        with open_repository(url_of("default")):
            assert odd.exists()
    finally:
        use_database("default", OPTIONS={})


@pytest.mark.parametrize("name", [":memory:", "file:memorydb_default?mode=memory&cache=shared"])
def test_memory(project: Project, name: str) -> None:
    use_database("default", NAME=name)
    assert url_of("default") == "memory://"


@pytest.mark.parametrize(
    ("name", "words"), [("file:x.db", "path, not a URL"), ("", "")], ids=["a URL", "unknown alias"]
)
def test_what_cannot_be_used(project: Project, name: str, words: str) -> None:
    use_database("default", NAME=name)
    with pytest.raises(ImproperlyConfigured, match=words or "neither a URL nor in DATABASES"):
        url_of("default" if name else "missing")


def test_no_password_is_shown(project: Project, place: dict[str, Any]) -> None:
    """Not in an error, nor in the variables of its traceback, nor in what is open."""
    secret = "hidden-password"
    place.update(NAME="portal", USER="u", PASSWORD=secret, HOST="127.0.0.1", PORT="1")
    project.set(STORE="postgresql")
    with pytest.raises(BackendError) as failed:
        site()
    assert secret not in str(failed.value)
    frame = failed.value.__traceback__
    while frame is not None:
        if frame.tb_frame.f_globals["__name__"].startswith("zoho_tokenstore"):
            assert secret not in repr(frame.tb_frame.f_locals)
        frame = frame.tb_next
    project.set(STORE="default")
    assert project.zoho.default_client.client_secret not in repr(site())
