"""The URL of a SQL store: what it may say, and what is never shown of it."""

from __future__ import annotations

import builtins
import sys
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from zoho_tokenstore.backends.sql import SQLBackend
from zoho_tokenstore.backends.sql import _addresses as addresses
from zoho_tokenstore.backends.sql._addresses import DatabaseAddress
from zoho_tokenstore.errors import ConfigurationError, MissingDependencyError

SECRET = "hunter2"


def read(url: str) -> DatabaseAddress:
    return addresses.parse_url(url, table="oauthtoken", timeout=30.0, pool_size=5)


@pytest.mark.parametrize(
    ("url", "driver", "database"),
    [
        ("postgresql://app@db.example/portal", "postgresql+psycopg", "portal"),
        ("mysql://app@db.example:3307/portal", "mysql+pymysql", "portal"),
        ("mariadb://app@db.example/portal", "mysql+pymysql", "portal"),
        ("sql+sqlite:///tokens.db", "sqlite", "tokens.db"),
        ("sql+sqlite:////var/lib/tokens.db", "sqlite", "/var/lib/tokens.db"),
        ("sql+mssql+pyodbc://app@dsn/portal", "mssql+pyodbc", "portal"),
    ],
)
def test_scheme_chooses_the_driver(url: str, driver: str, database: str) -> None:
    """Our schemes have one driver each; behind ``sql+`` stands what SQLAlchemy calls it."""
    found = read(url).url
    assert (found.drivername, found.database) == (driver, database)


def test_our_options_are_taken_out_and_the_others_go_to_the_driver() -> None:
    """TLS and everything else that is not ours reaches the driver as it stands."""
    address = read(
        "postgresql://app@db.example/portal?table=tokens&sslmode=verify-full&timeout=2.5"
        "&sslrootcert=%2Fetc%2Fca.pem&pool_size=3"
    )
    assert (address.table, address.timeout, address.pool_size) == ("tokens", 2.5, 3)
    assert dict(address.url.query) == {"sslmode": "verify-full", "sslrootcert": "/etc/ca.pem"}


def test_options_of_the_url_have_precedence() -> None:
    """What stands in the URL replaces the argument."""
    address = addresses.parse_url("mysql://h/d?timeout=1", table="t", timeout=9.0, pool_size=7)
    assert (address.table, address.timeout, address.pool_size) == ("t", 1.0, 7)


@pytest.mark.parametrize(
    ("url", "location"),
    [
        (f"postgresql://app:{SECRET}@db.example:5433/portal", "postgresql://app@db.example:5433/portal"),
        (f"mysql://app:{SECRET}@db.example/portal?ssl_ca=/ca.pem", "mysql://app@db.example/portal"),
        (f"postgresql:///portal?host=/run/postgresql&user=app&password={SECRET}", "postgresql:///portal?host=%2Frun%2Fpostgresql"),
        (f"postgresql://db.example/portal?sslpassword={SECRET}&passfile=/x", "postgresql://db.example/portal"),
        (f"mariadb://app:{SECRET}%40%2F@h/d?table=tokens", "mariadb://app@h/d (table tokens)"),
        ("sql+sqlite:///tokens.db", "sql+sqlite:///tokens.db"),
    ],
)  # fmt: skip
def test_location_has_no_password(url: str, location: str) -> None:
    """The name of the place, for people, is without the password and without options that could be secret."""
    assert read(url).location == location


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://app:{SECRET}/x@db.example/portal",
        f"postgresql://app:#{SECRET}@db.example/portal",
        f"postgresql://app:?{SECRET}@db.example/portal",
        f"postgresql://app:[{SECRET}@db.example/portal",
        f"mysql://app:{SECRET}@db.example:{SECRET}/portal",
        f"mysql://app:{SECRET}@db.example",
        f"mysql:/app:{SECRET}@db.example/portal",
        f"postgresql+psycopg2://app:{SECRET}@db.example/portal",
        f"sql+://app:{SECRET}@db.example/portal",
        f"sql+postgresql://app:{SECRET}@db.example/portal",
        f"sql+mysql+mysqlconnector://app:{SECRET}@db.example/portal",
        f"sql+nosuch://app:{SECRET}@db.example/portal",
        f"postgresql://app:{SECRET}@db.example/portal?timeout=0",
        f"postgresql://app:{SECRET}@db.example/portal?timeout=soon",
        f"postgresql://app:{SECRET}@db.example/portal?timeout=1&timeout=2",
        f"postgresql://app:{SECRET}@db.example/portal?pool_size=0",
        f"postgresql://app:{SECRET}@db.example/portal?pool_size=many",
        f"postgresql://app:{SECRET}@db.example/portal?table=a-b",
        f"postgresql://app:{SECRET}@db.example/portal?table=x%22%3BDROP",
        f"postgresql://app:{SECRET}@db.example/portal?table=",
        f"postgresql://app:half@{SECRET}@db.example/portal",
        f"postgresql://app:half@/@{SECRET}/portal",
        f"mysql://app:half@{SECRET}@db.example/portal",
        "sql+sqlite://",
        "sql+sqlite:///:memory:",
        SECRET,
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_being_shown(url: str) -> None:
    """Half of what is wrong with a URL is a password that was not quoted: no part of it is in the error."""
    with pytest.raises(ConfigurationError) as refused:
        SQLBackend(url)
    seen: BaseException | None = refused.value
    while seen is not None:
        assert SECRET not in f"{seen} {seen!r}"
        seen = seen.__cause__ or seen.__context__


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("mysql://app@127.0.0.1:1/portal?tabel=x", "tabel"),
        ("mysql://app@127.0.0.1:1/portal?connect_timeout=soon", "soon"),
        ("mysql://app@127.0.0.1:1/portal?ssl_ca=/no/such.pem", "No such file"),
        ("postgresql://app@127.0.0.1:1/portal?tabel=x", "tabel"),
    ],
)
def test_an_option_that_the_driver_cannot_use_is_told(url: str, named: str) -> None:
    """Before the server is asked, and as an error of ours."""
    with pytest.raises(ConfigurationError, match=f"cannot use an option of the URL.*{named}"):
        SQLBackend(url)


def test_from_url_opens_what_the_text_names(tmp_path: Path) -> None:
    """The parts of a URL mean the same store as its text, with all options."""
    url = f"sql+sqlite:///{tmp_path}/tokens%20here.db?table=tokens&timeout=3"
    with_parts = SQLBackend.from_url(urlsplit(url))
    with_parts.close()
    assert (tmp_path / "tokens here.db").exists()
    assert with_parts.location.endswith("(table tokens)")


@pytest.mark.parametrize(
    ("url", "missing", "extra"),
    [
        ("postgresql://h/d", "psycopg", "postgresql"),
        ("mysql://h/d", "pymysql", "mysql"),
        ("mariadb://h/d", "pymysql", "mysql"),
    ],
)
def test_a_missing_driver_is_named_with_its_extra(
    url: str, missing: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error tells what to install."""
    monkeypatch.delitem(sys.modules, f"zoho_tokenstore.backends.sql._{extra}", raising=False)
    hide(monkeypatch, missing)
    with pytest.raises(MissingDependencyError, match=rf"zoho-tokenstore\[{extra}\]"):
        SQLBackend(url)


def test_a_driver_that_is_too_old_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Older releases of psycopg cannot be told how long to wait."""
    monkeypatch.delitem(sys.modules, "zoho_tokenstore.backends.sql._postgresql", raising=False)
    monkeypatch.setattr("psycopg.__version__", "3.2.9")
    with pytest.raises(MissingDependencyError, match=r"zoho-tokenstore\[postgresql\]"):
        SQLBackend("postgresql://h/d")


def test_missing_sqlalchemy_is_named_with_the_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without SQLAlchemy the module itself tells what to install."""
    monkeypatch.delitem(sys.modules, "zoho_tokenstore.backends.sql")
    hide(monkeypatch, "sqlalchemy")
    with pytest.raises(MissingDependencyError, match=r"zoho-tokenstore\[postgresql\]"):
        import_module("zoho_tokenstore.backends.sql")


def hide(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    """Let every import of a module fail as if it were not installed."""
    genuine = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.partition(".")[0] == module:
            raise ModuleNotFoundError(f"No module named {module!r}", name=module)
        return genuine(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
