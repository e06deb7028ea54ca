"""Retired ids in Secrets Manager: what is promised without transactions, and what it costs."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tests.aws.between import Between, before, refuse
from tests.aws.support import requests_of
from tests.aws.test_secretsmanager_form import secrets_in
from zoho_tokenstore.backends.secretsmanager import SecretsManagerBackend
from zoho_tokenstore.errors import BackendError, RetiredIdError, RowChangedError
from zoho_tokenstore.records import LONGEST_ID, RetiredId, Row
from zoho_tokenstore.testing._backend import content


def test_an_id_is_retired_before_its_row_goes(
    secretsmanager: SecretsManagerBackend, far_secretsmanager: SecretsManagerBackend, between: Between
) -> None:
    """A removal that is cut off has retired the id; the row lives on until it is removed again."""
    etag = far_secretsmanager.write(Row("1"), expect=None)
    between.script("PutSecretValue", refuse("AccessDeniedException"))
    with pytest.raises(BackendError, match="access is denied"):
        far_secretsmanager.remove("1")
    assert [retired.id for retired in secretsmanager.retired.scan()] == ["1"]
    etag = secretsmanager.write(Row("1", user_name="alice"), expect=etag)
    with pytest.raises(RowChangedError):
        secretsmanager.write(Row("1"), expect=None)
    assert secretsmanager.remove("1") is True
    with pytest.raises(RetiredIdError):
        secretsmanager.write(Row("1"), expect=None)


@pytest.mark.parametrize("request_number", range(2))
def test_a_late_save_meets_the_row_or_its_retired_id(
    secretsmanager: SecretsManagerBackend,
    far_secretsmanager: SecretsManagerBackend,
    between: Between,
    request_number: int,
) -> None:
    """A row removed at any moment of a write that would make it anew is not made."""
    secretsmanager.write(Row("1"), expect=None)
    waits = [before(lambda: None)] * request_number
    between.script("GetSecretValue", *waits, before(lambda: secretsmanager.remove("1")))
    with pytest.raises((RetiredIdError, RowChangedError)):
        far_secretsmanager.write(Row("1", user_name="late"), expect=None)
    if request_number == 0:
        assert secretsmanager.load("1") is None


def test_ids_of_all_kinds_are_retired(secretsmanager: SecretsManagerBackend) -> None:
    """Ids are retired whole, whether a name can have them in it or not."""
    ids = ["A/b c", "x" * LONGEST_ID, "\U0010ffff" * LONGEST_ID]
    for row_id in ids:
        secretsmanager.write(Row(row_id), expect=None)
        assert secretsmanager.remove(row_id) is True
        with pytest.raises(RetiredIdError):
            secretsmanager.write(Row(row_id), expect=None)
    assert [retired.id for retired in secretsmanager.retired.scan()] == ids


def test_ids_stand_in_sixteen_secrets(secretsmanager: SecretsManagerBackend, tmp_path: Path) -> None:
    """However many ids are retired, there are sixteen secrets more at most; pruned they are gone."""
    ids = [RetiredId(f"{number:03}", number) for number in range(200)]
    assert secretsmanager.retired.add(ids) == 200
    assert secretsmanager.retired.add(ids[:9]) == 0
    assert list(secretsmanager.retired.scan()) == ids
    names = list(secrets_in(tmp_path))
    assert names == [f"retired/{digit}" for digit in "0123456789abcdef"]
    assert secretsmanager.retired.prune(150) == 150
    assert list(secretsmanager.retired.scan()) == ids[150:]
    assert secretsmanager.retired.prune(200) == 50
    assert secrets_in(tmp_path) == {}


def test_a_full_secret_forgets_the_oldest(
    secretsmanager: SecretsManagerBackend, caplog: pytest.LogCaptureFixture
) -> None:
    """A deletion never fails because there are too many retired ids: the oldest are forgotten, and told."""
    many = [RetiredId(f"{number:040}", number) for number in range(25_000)]
    with caplog.at_level(logging.WARNING, logger="zoho_tokenstore"):
        secretsmanager.retired.add(many)
    assert "is full: the oldest retired ids are forgotten" in caplog.text
    left = list(secretsmanager.retired.scan())
    assert len(left) > 10_000
    assert left[-1] == many[-1]
    assert many[0] not in left


@pytest.mark.long
def test_clearing_retires_all_at_once(secretsmanager: SecretsManagerBackend) -> None:
    """`clear` writes each of the sixteen secrets once, however many rows there are."""
    for number in range(40):
        secretsmanager.write(Row(f"{number:02}"), expect=None)
    with requests_of(secretsmanager) as sent:
        assert secretsmanager.clear() == 40
    assert sent.count("CreateSecret") <= 1 + 16


def test_a_clear_that_fails_has_retired_all(
    secretsmanager: SecretsManagerBackend, far_secretsmanager: SecretsManagerBackend, between: Between
) -> None:
    """A `clear` that is cut off has retired all ids and noted its time; the rows left are whole."""
    for row_id in "12":
        secretsmanager.write(Row(row_id), expect=None)
    between.script("DeleteSecret", refuse("AccessDeniedException"))
    with pytest.raises(BackendError):
        far_secretsmanager.clear()
    assert [retired.id for retired in secretsmanager.retired.scan()] == ["1", "2"]
    assert secretsmanager.retired.cleared_ms() > 0
    assert [content(row) for row in secretsmanager.scan()] == [Row("2")]
    assert secretsmanager.clear() == 1
