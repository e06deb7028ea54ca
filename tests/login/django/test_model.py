"""The model: rows that can be read, and nothing else."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from io import StringIO

import pytest
from django.core.management import call_command

from tests.login.django.support import Project
from zoho_tokenstore.login.django.models import Login


def test_what_it_shows(project: Project) -> None:
    """Times as Django's; no secret is a field, so none can be loaded."""
    project.make_login()
    (login,) = Login.objects.all()
    (record,) = project.stored
    assert (login.user_name, login.client_id) == ("p", record.client_id)
    assert login.created_at is not None
    assert login.used_at is not None
    assert login.expires_at is not None
    assert login.created_at.timestamp() * 1000 == pytest.approx(record.created_at_ms)
    assert login.expires_at.timestamp() * 1000 == pytest.approx(record.expires_at_ms)
    assert not {field.name for field in Login._meta.get_fields()} & {
        *("client_secret", "refresh_token", "access_token", "grant_token")
    }


def test_it_is_read_only(project: Project) -> None:
    """By every way that Django has, also a fixture's."""
    project.make_login()
    login = Login.objects.get()
    fixture = project.folder / "logins.json"
    out = StringIO()
    call_command("dumpdata", "zoho_login", stdout=out)
    fixture.write_text(out.getvalue())
    for write in (
        login.save,
        login.delete,
        lambda: Login(id="x").save(),
        lambda: Login.objects.create(id="x"),
        lambda: Login.objects.update(user_name="x"),
        lambda: Login.objects.filter(id="x").delete(),
        lambda: Login.objects.bulk_create([login]),
        lambda: Login.objects.update_or_create(id="x"),
        lambda: call_command("loaddata", str(fixture), verbosity=0),
    ):
        with pytest.raises(TypeError, match="written by their store"):
            write()
    assert Login.objects.get().user_name == "p"


def test_what_another_program_wrote(project: Project) -> None:
    """Times that are missing or absurd are none."""
    project.make_login()
    with closing(sqlite3.connect(project.folder / "db.sqlite3")) as database:
        database.execute("UPDATE oauthtoken SET expiry_time = '9e99', created_at_ms = -1")
        database.commit()
    login = Login.objects.get()
    assert (login.expires_at, login.created_at) == (None, None)
