"""How rows stand in Secrets Manager, and what a call costs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.aws.support import name_for, raw_client, reopen_secretsmanager, requests_of, secret_names
from zoho_tokenstore._util.clock import now_ms
from zoho_tokenstore.backends.secretsmanager import SecretsManagerBackend
from zoho_tokenstore.backends.secretsmanager._secret_names import SecretNames, key_of
from zoho_tokenstore.errors import BackendError
from zoho_tokenstore.records import LONGEST_ID, RetiredId, Row
from zoho_tokenstore.testing._backend import content, full_row


def secrets_in(folder: Path) -> dict[str, Any]:
    """Return the current contents of a test's secrets, by their names below the prefix."""
    prefix = name_for(folder)
    with raw_client("secretsmanager") as client:
        return {
            name.removeprefix(f"{prefix}/"): json.loads(
                client.get_secret_value(SecretId=name, VersionStage="AWSCURRENT")["SecretString"]
            )
            for name in secret_names(client, prefix)
        }


def living_in(folder: Path) -> dict[str, Any]:
    """Return all contents but what outlives the rows: retired ids, and the note of the last clear."""
    return {
        name: content
        for name, content in secrets_in(folder).items()
        if not name.startswith("retired/") and name != "store"
    }


def put(folder: Path, name: str, text: str) -> None:
    """Make a secret past the backend."""
    with raw_client("secretsmanager") as client:
        client.create_secret(Name=f"{name_for(folder)}/{name}", SecretString=text)


def by(index: str, text: str) -> str:
    return f"by/{index}/{hashlib.sha256(text.encode()).hexdigest()}"


def test_a_row_stands_under_the_published_names(
    secretsmanager: SecretsManagerBackend, tmp_path: Path
) -> None:
    """A row is one secret, whose JSON has the published columns; null is not there, empty is."""
    row = Row("1", user_name="alic\u00e9", refresh_token="r", api_domain="", expiry_time="5", created_at_ms=7)
    etag = secretsmanager.write(row._replace(digests={"refresh_token": "d"}), expect=None)
    assert secrets_in(tmp_path) == {
        "token/1": {
            "id": "1",
            "user_name": "alic\u00e9",
            "refresh_token": "r",
            "refresh_token_digest": "d",
            "api_domain": "",
            "expiry_time": "5",
            "created_at_ms": 7,
            "hints": {"user_name": etag, "refresh_token": etag},
        },
        by("user_name", "alic\u00e9"): {"rows": {etag: "1"}},
        by("refresh_token", "d"): {"rows": {etag: "1"}},
    }


@pytest.mark.parametrize("row_id", ["A", "a-b", "a/b", "", "\u00e9", "=x", "None"])
def test_ids_that_are_no_names(secretsmanager: SecretsManagerBackend, tmp_path: Path, row_id: str) -> None:
    """An id with other characters than a name's is kept in the secret, whose name has a digest."""
    secretsmanager.write(Row(row_id), expect=None)
    assert list(secrets_in(tmp_path)) == [f"token/={hashlib.sha256(row_id.encode()).hexdigest()}"]
    assert content(secretsmanager.load(row_id)) == Row(row_id)
    assert [row.id for row in secretsmanager.scan()] == [row_id]


def test_the_longest_names() -> None:
    """The longest id fits into a name below the longest prefix: AWS allows 512 characters."""
    names = SecretNames("p" * 256)
    assert len(names.row(key_of("1" * LONGEST_ID))) == 256 + len("/token/") + LONGEST_ID < 512


def test_names_of_different_ids_differ() -> None:
    """No plain id is taken for the digest of another one."""
    assert key_of("a") == "a"
    assert key_of(key_of("A")) != key_of("A")


def test_no_name_shows_a_secret(secretsmanager: SecretsManagerBackend, tmp_path: Path) -> None:
    """AWS writes names into its logs: no column's text but the id is in one."""
    secretsmanager.write(full_row("1", "verysecret"), expect=None)
    assert "verysecret" not in repr(list(secrets_in(tmp_path)))


def test_what_finds_nothing_is_gone(secretsmanager: SecretsManagerBackend, tmp_path: Path) -> None:
    """Changes and removals leave no look-up secret behind that names no row: each would cost."""
    etag = secretsmanager.write(full_row("1", "a"), expect=None)
    for mark in "bc":
        etag = secretsmanager.write(full_row("1", mark), expect=etag)
    secretsmanager.write(full_row("2", "c"), expect=None)
    assert len(living_in(tmp_path)) == 2 + 4
    secretsmanager.remove("1")
    assert len(living_in(tmp_path)) == 1 + 4
    secretsmanager.clear()
    assert living_in(tmp_path) == {}


def test_what_is_not_ours_is_left_alone(secretsmanager: SecretsManagerBackend, tmp_path: Path) -> None:
    """Secrets beside the prefix, and below it under other names, are no rows, and `clear` leaves them."""
    names = ("token/sub/1", "token/A", "other", "token-x/1", "token/=12")
    for name in names:
        put(tmp_path, name, "{}")
    secretsmanager.write(Row("1"), expect=None)
    assert [row.id for row in secretsmanager.scan()] == ["1"]
    assert secretsmanager.clear() == 1
    assert set(living_in(tmp_path)) == set(names)


def test_a_look_up_secret_that_lies(secretsmanager: SecretsManagerBackend, tmp_path: Path) -> None:
    """The row decides: a look-up secret that names a wrong or missing row finds nothing."""
    secretsmanager.write(Row("1", user_name="bob"), expect=None)
    put(tmp_path, by("user_name", "alice"), '{"rows": {"x": "1", "y": "2"}}')
    assert secretsmanager.find("user_name", "alice") == []
    etag = secretsmanager.write(Row("3", user_name="alice"), expect=None)
    assert [row.id for row in secretsmanager.find("user_name", "alice")] == ["3"]
    secretsmanager.write(Row("3"), expect=etag)
    assert secrets_in(tmp_path)[by("user_name", "alice")] == {"rows": {"x": "1", "y": "2"}}


def test_retired_ids_share_a_secret(secretsmanager: SecretsManagerBackend, tmp_path: Path) -> None:
    """A deleted row leaves its id and the time in one of sixteen secrets, and `clear` its own time."""
    before = now_ms()
    secretsmanager.write(full_row("1"), expect=None)
    secretsmanager.remove("1")
    secretsmanager.clear()
    found = secrets_in(tmp_path)
    assert list(found) == ["retired/6", "store"]  # the SHA-256 of 1 begins with 6
    assert list(found["retired/6"]) == ["ids"]
    assert before <= found["retired/6"]["ids"]["1"] <= now_ms()
    assert found["store"]["layout"] == 1
    assert before <= found["store"]["cleared_ms"] <= now_ms()


def test_a_newer_layout_is_refused(secretsmanager: SecretsManagerBackend, tmp_path: Path) -> None:
    """Secrets that a release with another layout has marked are not opened."""
    put(tmp_path, "store", '{"layout": 2}')
    with pytest.raises(BackendError, match=r"has layout 2; this release knows 1\. Upgrade"):
        reopen_secretsmanager(tmp_path)


def test_the_key_of_new_secrets(tmp_path: Path) -> None:
    """Every secret is encrypted by the KMS key that was given."""
    backend = reopen_secretsmanager(tmp_path, kms_key_id="alias/zoho")
    backend.write(full_row(), expect=None)
    backend.close()
    with raw_client("secretsmanager") as client:
        names = secret_names(client, name_for(tmp_path))
        assert {client.describe_secret(SecretId=name)["KmsKeyId"] for name in names} == {"alias/zoho"}


def test_versions_of_a_refresh(secretsmanager: SecretsManagerBackend, tmp_path: Path) -> None:
    """A write makes one version of the row's secret, a refused one none, and no label of ours piles up."""
    first = secretsmanager.write(Row("1"), expect=None)
    second = secretsmanager.write(Row("1"), expect=first)
    third = secretsmanager.write(Row("1"), expect=second)
    with pytest.raises(Exception, match="has changed since it was read"):
        secretsmanager.write(Row("1"), expect=first)
    with raw_client("secretsmanager") as client:
        secret = client.describe_secret(SecretId=f"{name_for(tmp_path)}/token/1")
    assert {version: sorted(labels) for version, labels in secret["VersionIdsToStages"].items()} == {
        first: [],
        second: ["AWSPREVIOUS"],
        third: ["AWSCURRENT", "ZOHO_TOKENSTORE_NEXT"],
    }


@pytest.mark.parametrize(
    ("use", "requests"),
    [
        (lambda backend: backend.load("1"), "Get"),
        (lambda backend: backend.find("user_name", "user_name-a"), "Get Get"),
        (lambda backend: backend.find("user_name", "nobody"), "Get"),
        (lambda backend: backend.find("user_name", "user_name-a", "b"), "Get Get Get Get Get"),
        (lambda backend: list(backend.scan()), "List Get Get"),
        (lambda backend: list(backend.scan(limit=1)), "List Get"),
        (lambda backend: list(backend.scan(after="1")), "List Get"),
        (lambda backend: list(backend.sample(1)), "List Get"),
        (lambda backend: backend.write(Row("3"), expect=None), "Get Get Create"),
        (lambda backend: backend.write(Row("3", user_name="x"), expect=None), "Get Get Create Create"),
        (
            lambda backend: backend.write(
                full_row("1", "a")._replace(access_token="new"), expect=backend.load("1").etag
            ),
            "Get Get Create Put Update Get Put Update Delete",
        ),
        (lambda backend: backend.remove("none"), "Get"),
        (lambda backend: backend.retired.add([RetiredId("7", 1)]), "Get Create"),
        (lambda backend: backend.retired.cleared_ms(), "Get"),
        (lambda backend: list(backend.retired.scan()), " ".join(["Get"] * 16)),
    ],
)
def test_requests_of_a_call(
    secretsmanager: SecretsManagerBackend, use: Callable[[Any], object], requests: str
) -> None:
    """A call takes these requests; the page tells what they cost."""
    secretsmanager.write(full_row("1", "a"), expect=None)
    secretsmanager.write(full_row("2", "b"), expect=None)
    with requests_of(secretsmanager) as sent:
        use(secretsmanager)
    short = {"GetSecretValue": "Get", "PutSecretValue": "Put", "CreateSecret": "Create"}
    short |= {"UpdateSecretVersionStage": "Update", "ListSecrets": "List", "DeleteSecret": "Delete"}
    assert [short[name] for name in sent] == requests.split()


def test_more_than_a_page_of_secrets(secretsmanager: SecretsManagerBackend, tmp_path: Path) -> None:
    """AWS lists 100 secrets at a time; a scan reads all lists, in the order of the ids."""
    ids = [f"{number:03}" for number in range(105)]
    with raw_client("secretsmanager") as client:
        for row_id in reversed(ids):
            name = f"{name_for(tmp_path)}/token/{row_id}"
            client.create_secret(Name=name, SecretString=json.dumps({"id": row_id}))
    with requests_of(secretsmanager) as sent:
        assert [row.id for row in secretsmanager.scan()] == ids
    assert sent.count("ListSecrets") == 2
    with requests_of(secretsmanager) as sent:
        assert len(list(secretsmanager.sample(1))) == 1
    assert sent == ["ListSecrets", "GetSecretValue"]


def test_a_sample_of_nothing(secretsmanager: SecretsManagerBackend, tmp_path: Path) -> None:
    """Where there is no row there is no sample."""
    assert not list(secretsmanager.sample(1))
    put(tmp_path, "token/1", '{"closed": true}')
    assert not list(secretsmanager.sample(1))
