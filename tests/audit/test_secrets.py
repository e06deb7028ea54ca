"""No entry contains a secret, and the trail is in nobody's way."""

from __future__ import annotations

import sqlite3
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.audit.support import ALICE, entries_of, kinds_of, opened, trail_of
from tests.contract.stores import CASES
from tests.sqlite import published as published_sqlite
from zoho_tokenstore import Client, Code, InvalidGrantError, Keyset, RefreshToken, on_behalf_of, open_tokens
from zoho_tokenstore.emulator import Emulator
from zoho_tokenstore.records import SECRET_COLUMNS
from zoho_tokenstore.sealing import reseal

CODE = "1000.code.that.is.wrong.0123456789"


def test_no_secret_in_any_entry(case: str, tmp_path: Path) -> None:
    """Whatever happens, none of the tokens, codes, client secrets and keys is in the trail."""
    secrets, keys = {CODE}, Keyset.generate()
    url = CASES[case].url(tmp_path)
    with (
        Emulator() as zoho,
        open_tokens(url, accounts_url=zoho.accounts_url, audit=True, keys=keys) as tokens,
    ):
        client = Client(zoho.default_client.client_id, zoho.default_client.client_secret)
        repository = tokens._renewer.repository

        def note() -> None:
            for record in repository.scan():
                secrets.update(value for name in SECRET_COLUMNS if (value := getattr(record, name)))

        refresh_token = zoho.mint_refresh_token()
        secrets.add(refresh_token)
        record = tokens.log_in(client, RefreshToken(refresh_token), user_name="alice")
        note()
        tokens.refresh(record.id or "")
        note()
        with pytest.raises(InvalidGrantError):
            tokens.log_in(client, Code(CODE))
        code = zoho.mint_code()
        secrets.add(code)
        tokens.log_in(client, Code(code), user_name="alice")
        note()
        tokens.revoke(record.id or "")
        both = Keyset.from_text(Keyset.generate().to_text() + keys.to_text())
        secrets.update(line for line in both.to_text().split())
        repository.save(ALICE)
        note()
        reseal(repository._backend, both)
        repository.clear()
        assert {*kinds_of(repository)} == {
            *(
                "logged_in",
                "renewal_started",
                "renewed",
                "denied",
                "replaced",
                "deleted",
                "sealed",
                "cleared",
                "revoked",
            )
        }
        kept = "\n".join(map(str, trail_of(repository)._log.scan()))
        shown = "\n".join(str(asdict(entry)) for entry in entries_of(repository))
    assert len(secrets) > 8
    assert [secret for secret in secrets if secret in kept or secret in shown] == []


@pytest.mark.clear
def test_the_published_code_is_undisturbed(tmp_path: Path) -> None:
    """Zoho's SQLite sample saves, reads and deletes beside a trail, as it did before there was one."""
    path = tmp_path / "tokens.db"
    published_sqlite.create(path)
    with opened("sqlite", tmp_path) as repository:
        with on_behalf_of("rajesh"):
            repository.save(ALICE)
        with sqlite3.connect(path) as connection:
            connection.execute("INSERT INTO oauthtoken (id, user_name, client_id) VALUES ('7', 'bob', 'c')")
            connection.execute("UPDATE oauthtoken SET refresh_token = 'r', access_token = 'a' WHERE id = '7'")
        connection.close()
        found = repository.get("7")
        assert found is not None
        assert found.access_token == "a"
        repository.save(found.changed(access_token="b"))
        with sqlite3.connect(path) as connection:
            connection.execute("DELETE FROM oauthtoken")
        connection.close()
        assert list(repository.scan()) == []
        assert kinds_of(repository) == ["logged_in", "renewed"]  # what others do is not in it
        assert trail_of(repository).verify().is_intact
