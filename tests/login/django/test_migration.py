"""The migration: the tables are there afterwards, whatever was there before; and back without a loss."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connections
from django.db.migrations.exceptions import IrreversibleError

from tests.login.django.support import Project, flow, tokens, use_database, use_server
from zoho_tokenstore.emulator import Emulator
from zoho_tokenstore.login.django.models import Login

PUBLISHED = (
    "CREATE TABLE oauthtoken (id varchar(10) NOT NULL, user_name varchar(255), client_id varchar(255), "
    "client_secret varchar(255), refresh_token varchar(255), access_token varchar(255), "
    "grant_token varchar(255), expiry_time varchar(20), redirect_url varchar(255), api_domain varchar(255), "
    "PRIMARY KEY (id))"
)
ROW = (
    "INSERT INTO oauthtoken VALUES ('7', 'patricia', '1000.OLD', 'old-secret', '1000.old-refresh', "
    "'1000.old-access', NULL, '1700000000000', NULL, 'https://www.zohoapis.com')"
)


def migrate(*arguments: str, database: str = "default") -> None:
    call_command("migrate", "zoho_login", *arguments, database=database, verbosity=0)


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def alias(request: pytest.FixtureRequest, project: Project, tmp_path: Path) -> Iterator[str]:
    """A database that is empty, and the one that the logins are to be in."""
    if request.param == "sqlite":
        use_database("default", NAME=str(tmp_path / "empty.sqlite3"))
        project.set(STORE="default")
        yield "default"
    else:
        use_server(request.param, tmp_path)
        project.set(STORE=request.param)
        yield request.param


def test_on_an_empty_database(project: Project, alias: str) -> None:
    """With all of our columns; the model reads them."""
    migrate(database=alias)
    with connections[alias].cursor() as cursor:
        names = connections[alias].introspection.table_names(cursor)
        columns = {
            one.name for one in connections[alias].introspection.get_table_description(cursor, "oauthtoken")
        }
    assert {"oauthtoken", "zoho_tokenstore", "zoho_tokenstore_lease"} <= set(names)
    assert {"refresh_token", "etag", "created_at_ms"} <= columns
    assert list(Login.objects.all()) == []


def test_on_the_published_table(project: Project, alias: str) -> None:
    """Zoho's own code has logins in it: they stay."""
    with connections[alias].cursor() as cursor:
        cursor.execute(PUBLISHED)
        cursor.execute(ROW)
    migrate(database=alias)
    assert [(login.id, str(login)) for login in Login.objects.all()] == [("7", "patricia")]
    (record,) = tokens().scan()
    assert record.refresh_token == "1000.old-refresh"


def test_twice(project: Project, alias: str) -> None:
    """Again, also if its note is lost: nothing happens to the logins."""
    migrate(database=alias)
    login = project.make_login()
    migrate(database=alias)
    migrate("zero", "--fake", database=alias)
    migrate(database=alias)
    assert [each.id for each in Login.objects.all()] == [login]


def test_back(project: Project, alias: str) -> None:
    """The tables are removed if they are empty; logins and debts are not lost."""
    migrate(database=alias)
    login = project.make_login()
    with pytest.raises(IrreversibleError, match="1 logins"):
        migrate("zero", database=alias)
    assert [each.id for each in Login.objects.all()] == [login]
    flow().end(login)
    migrate("zero", database=alias)
    with connections[alias].cursor() as cursor:
        names = connections[alias].introspection.table_names(cursor)
    assert [name for name in names if name.startswith(("oauthtoken", "zoho_"))] == []
    migrate(database=alias)
    assert list(Login.objects.all()) == []


def test_back_with_a_debt(project: Project, zoho: Emulator) -> None:
    """A revocation that Zoho did not hear of is not forgotten."""
    login = project.make_login()
    zoho.fault("revoke", "status", status=503)
    flow().end(login)
    with pytest.raises(IrreversibleError, match="owed"):
        migrate("zero")
    zoho.clear_faults()


def test_back_with_a_trail(project: Project) -> None:
    project.set(OPTIONS={"audit": True})
    flow().end(project.make_login())
    with pytest.raises(IrreversibleError, match="audit trail"):
        migrate("zero")


def test_a_store_elsewhere(project: Project, tmp_path: Path) -> None:
    """Its tables are not made in Django's database, and nothing is dropped there."""
    use_database("default", NAME=str(tmp_path / "empty.sqlite3"))
    project.set(STORE=f"sqlite:///{tmp_path}/logins.db")
    migrate()
    migrate("zero")
    with connections["default"].cursor() as cursor:
        assert connections["default"].introspection.table_names(cursor) == ["django_migrations"]
    with pytest.raises(ImproperlyConfigured, match="not in a database of Django"):
        Login.objects.all()


def test_nothing_is_left_to_migrate(project: Project) -> None:
    """The model and its migration say the same."""
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


def test_a_database_in_memory(project: Project) -> None:
    """Under Django's test runner: the logins are in a store in memory, and the model finds none."""
    project.set(STORE="memory")
    migrate(database="memory")
    project.make_login()
    assert len(project.stored) == 1
    assert list(Login.objects.all()) == []
    migrate("zero", database="memory")
