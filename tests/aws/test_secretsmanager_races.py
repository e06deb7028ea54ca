"""Rows and look-up secrets while others write, and what Secrets Manager cannot promise."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.aws.between import Between, after, before, refuse
from tests.aws.support import name_for, raw_client, reopen_secretsmanager
from tests.aws.test_secretsmanager_form import by, living_in, secrets_in
from zoho_tokenstore.backends.secretsmanager import SecretsManagerBackend
from zoho_tokenstore.errors import BackendError, BackendTimeoutError, RowChangedError
from zoho_tokenstore.records import Row
from zoho_tokenstore.testing._backend import content, full_row


def move(backend: SecretsManagerBackend, **columns: Any) -> Callable[[], object]:
    """Return what changes row 1 as it is then."""

    def work() -> object:
        row = backend.load("1")
        assert row is not None
        return backend.write(row._replace(**columns), expect=row.etag)

    return work


# ---- what AWS documents, and moto does alike: the compare-and-set stands on it


def test_a_label_moves_only_from_where_it_is(tmp_path: Path) -> None:
    """UpdateSecretVersionStage fails if AWSCURRENT is not on the version named by RemoveFromVersionId.

    AWS: "If the label is attached and you either do not specify this parameter, or the version ID
    does not match, then the operation fails."
    """
    versions = [letter * 32 for letter in "abc"]
    name = f"{name_for(tmp_path)}/label"
    with raw_client("secretsmanager") as client:
        client.create_secret(Name=name, SecretString="a", ClientRequestToken=versions[0])
        for version in versions[1:]:
            client.put_secret_value(
                SecretId=name, SecretString=version, ClientRequestToken=version, VersionStages=["NEXT"]
            )
        moved = {"SecretId": name, "VersionStage": "AWSCURRENT", "RemoveFromVersionId": versions[0]}
        client.update_secret_version_stage(**moved, MoveToVersionId=versions[1])
        with pytest.raises(client.exceptions.InvalidParameterException):
            client.update_secret_version_stage(**moved, MoveToVersionId=versions[2])
        assert client.get_secret_value(SecretId=name, VersionStage="AWSCURRENT")["VersionId"] == versions[1]


def test_a_deleted_secret_is_another_one_than_its_successor(tmp_path: Path) -> None:
    """The ARN of a deleted secret is not that of one made later under its name."""
    name = f"{name_for(tmp_path)}/again"
    with raw_client("secretsmanager") as client:
        old = client.create_secret(Name=name, SecretString="old")["ARN"]
        client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
        client.create_secret(Name=name, SecretString="new")
        client.delete_secret(SecretId=old, ForceDeleteWithoutRecovery=True)
        assert client.get_secret_value(SecretId=name)["SecretString"] == "new"


# ---- nothing is missed


@pytest.mark.parametrize(("key", "other"), [("old", "new"), ("new", "old")])
@pytest.mark.parametrize("request_number", range(5))
def test_a_row_that_moves_is_found(
    secretsmanager: SecretsManagerBackend,
    far_secretsmanager: SecretsManagerBackend,
    between: Between,
    key: str,
    other: str,
    request_number: int,
) -> None:
    """A row moved from one of the keys to another, at any moment of the look-up, is found."""
    secretsmanager.write(Row("1", user_name=key), expect=None)
    waits = [after(lambda: None)] * request_number
    between.script("GetSecretValue", *waits, before(move(secretsmanager, user_name=other)))
    assert [content(row) for row in far_secretsmanager.find("user_name", "old", "new")] == [
        Row("1", user_name=other)
    ]


@pytest.mark.parametrize("request_number", range(9))
def test_a_row_is_found_at_every_moment_of_a_write(
    secretsmanager: SecretsManagerBackend,
    far_secretsmanager: SecretsManagerBackend,
    between: Between,
    request_number: int,
) -> None:
    """Between any two requests of a write the row is found by what it then holds."""
    etag = far_secretsmanager.write(full_row("1"), expect=None)
    counted = len(between.seen)

    def look() -> None:
        row = secretsmanager.load("1")
        assert row is not None
        for index in ("user_name", "access_token"):
            text = row.lookup_key(index) or ""
            assert [found.id for found in secretsmanager.find(index, text)] == ["1"]
        seen.append(row.user_name)

    seen: list[str | None] = []
    steps = iter(range(100))
    between.always(lambda forward: before(look if next(steps) == request_number else lambda: None)(forward))
    far_secretsmanager.write(full_row("1", "b"), expect=etag)
    assert len(between.seen) - counted >= 9
    assert len(seen) == 1


def test_a_writer_that_lost_takes_nothing_away(
    secretsmanager: SecretsManagerBackend, far_secretsmanager: SecretsManagerBackend, between: Between
) -> None:
    """Two insert one row at once: what the loser takes back is his own, and the winner's row is found."""
    between.script(
        "CreateSecret",
        *[after(lambda: None)] * 4,
        before(lambda: secretsmanager.write(full_row(), expect=None)),
    )
    with pytest.raises(RowChangedError):
        far_secretsmanager.write(full_row(), expect=None)
    for index in ("user_name", "access_token", "refresh_token", "grant_token"):
        assert [row.id for row in secretsmanager.find(index, f"{index}-a")] == ["1"]


def test_a_key_that_is_given_up_and_taken_again(
    secretsmanager: SecretsManagerBackend, far_secretsmanager: SecretsManagerBackend, between: Between
) -> None:
    """While one writer clears up after the change from a key, another one brings the row back to it."""
    etag = far_secretsmanager.write(Row("1", user_name="alice"), expect=None)
    between.script(
        "UpdateSecretVersionStage", after(move(secretsmanager, user_name="alice")), after(lambda: None)
    )
    far_secretsmanager.write(Row("1", user_name="bob"), expect=etag)
    assert [row.id for row in secretsmanager.find("user_name", "alice")] == ["1"]
    assert secretsmanager.find("user_name", "bob") == []


def test_a_key_that_is_taken_while_its_secret_goes(
    secretsmanager: SecretsManagerBackend,
    far_secretsmanager: SecretsManagerBackend,
    between: Between,
    tmp_path: Path,
) -> None:
    """A look-up secret that is closed, and not deleted yet, is deleted and made anew by who needs it."""
    etag = far_secretsmanager.write(Row("1", user_name="alice"), expect=None)
    between.script(
        "DeleteSecret", before(lambda: secretsmanager.write(Row("2", user_name="alice"), expect=None))
    )
    far_secretsmanager.write(Row("1"), expect=etag)
    assert [row.id for row in secretsmanager.find("user_name", "alice")] == ["2"]
    assert len(secrets_in(tmp_path)[by("user_name", "alice")]["rows"]) == 1


def test_a_removed_row_is_the_one_of_then(
    secretsmanager: SecretsManagerBackend,
    far_secretsmanager: SecretsManagerBackend,
    between: Between,
    tmp_path: Path,
) -> None:
    """A row that changes between reading and removing goes in its new form, with what finds that."""
    secretsmanager.write(full_row(), expect=None)
    between.script("PutSecretValue", before(move(secretsmanager, user_name="new")))
    assert far_secretsmanager.remove("1") is True
    assert living_in(tmp_path) == {}


def test_one_of_two_removals_tells_that_there_was_a_row(
    secretsmanager: SecretsManagerBackend, far_secretsmanager: SecretsManagerBackend, between: Between
) -> None:
    """Of two that remove one row at once, one finds it."""
    secretsmanager.write(full_row(), expect=None)
    removed = []
    between.script("PutSecretValue", before(lambda: removed.append(secretsmanager.remove("1"))))
    removed.append(far_secretsmanager.remove("1"))
    assert removed == [True, False]


@pytest.mark.long
def test_threads_that_change_the_same_keys(secretsmanager: SecretsManagerBackend, tmp_path: Path) -> None:
    """Rows of several threads that come to the same keys and leave them are found, and leave nothing."""

    def work(row_id: str) -> None:
        etag = secretsmanager.write(full_row(row_id), expect=None)
        for turn in range(3):
            etag = secretsmanager.write(full_row(row_id, "ab"[turn % 2]), expect=etag)
        if row_id == "1":
            secretsmanager.remove(row_id)

    threads = [threading.Thread(target=work, args=(row_id,)) for row_id in "123"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert [row.id for row in secretsmanager.find("user_name", "user_name-a")] == ["2", "3"]
    secretsmanager.clear()
    assert living_in(tmp_path) == {}


# ---- what is left behind, and what is done about it


def test_a_removal_that_was_cut_off(
    secretsmanager: SecretsManagerBackend,
    far_secretsmanager: SecretsManagerBackend,
    between: Between,
    tmp_path: Path,
) -> None:
    """A row whose secret could not be deleted is gone all the same; the next removal deletes the secret."""
    far_secretsmanager.write(Row("1"), expect=None)
    between.script("DeleteSecret", refuse("AccessDeniedException"))
    with pytest.raises(BackendError, match="access is denied"):
        far_secretsmanager.remove("1")
    assert secretsmanager.load("1") is None
    assert list(secretsmanager.scan()) == []
    assert living_in(tmp_path) == {"token/1": {"closed": True}}
    assert secretsmanager.remove("1") is False
    assert living_in(tmp_path) == {}


def test_a_row_comes_back_after_a_removal_that_was_cut_off(
    secretsmanager: SecretsManagerBackend, far_secretsmanager: SecretsManagerBackend, between: Between
) -> None:
    """In the place of a closed secret a new one is made, once its id may be used again."""
    far_secretsmanager.write(Row("1"), expect=None)
    between.script("DeleteSecret", refuse("AccessDeniedException"))
    with pytest.raises(BackendError):
        far_secretsmanager.remove("1")
    secretsmanager.retired.prune(2**53)
    secretsmanager.write(Row("1", user_name="again"), expect=None)
    assert content(secretsmanager.load("1")) == Row("1", user_name="again")


def test_clearing_up_that_fails(
    far_secretsmanager: SecretsManagerBackend, between: Between, caplog: pytest.LogCaptureFixture
) -> None:
    """A write that is done is reported as done, even if a look-up secret stays; the log names that one."""
    etag = far_secretsmanager.write(Row("1", user_name="alice"), expect=None)
    between.script("DeleteSecret", refuse("AccessDeniedException"))
    with caplog.at_level(logging.WARNING, logger="zoho_tokenstore"):
        far_secretsmanager.write(Row("1", user_name="bob"), expect=etag)
    assert far_secretsmanager.find("user_name", "alice") == []
    assert by("user_name", "alice") in caplog.text
    assert "access is denied" in caplog.text


@pytest.mark.parametrize("operation", ["CreateSecret", "PutSecretValue", "UpdateSecretVersionStage"])
def test_a_write_that_fails_leaves_nothing(
    far_secretsmanager: SecretsManagerBackend, between: Between, tmp_path: Path, operation: str
) -> None:
    """A write that AWS refuses takes back what would have found it."""
    etag = far_secretsmanager.write(Row("1"), expect=None)
    waits = [after(lambda: None)] * (operation == "CreateSecret")
    between.script(operation, *waits, refuse("LimitExceededException"))
    with pytest.raises(BackendError, match="quota"):
        far_secretsmanager.write(full_row(), expect=etag)
    assert list(living_in(tmp_path)) == ["token/1"]
    assert content(far_secretsmanager.load("1")) == Row("1")


def test_a_name_that_is_blocked(tmp_path: Path, secretsmanager: SecretsManagerBackend) -> None:
    """A secret deleted by hand with a recovery window is no row, and its name cannot be used until then.

    AWS answers CreateSecret with InvalidRequestException then; moto says that the secret exists.
    """
    backend = reopen_secretsmanager(tmp_path)
    backend._calls.timeout = 4
    backend.write(Row("1", user_name="alice"), expect=None)
    with raw_client("secretsmanager") as client:
        client.delete_secret(SecretId=f"{name_for(tmp_path)}/token/1", RecoveryWindowInDays=7)
    assert backend.load("1") is None
    assert backend.find("user_name", "alice") == []
    for _ in range(2):
        with pytest.raises(BackendTimeoutError, match="scheduled for deletion, and AWS keeps its name"):
            backend.write(Row("1", user_name="bob"), expect=None)
    assert by("user_name", "bob") not in secrets_in(tmp_path)
    backend.close()


def test_a_name_that_aws_has_not_given_back_yet(
    far_secretsmanager: SecretsManagerBackend, between: Between
) -> None:
    """A row whose name AWS has not given back yet waits until the old secret has really been deleted."""
    far_secretsmanager.write(Row("1"), expect=None)
    far_secretsmanager.remove("1")
    far_secretsmanager.retired.prune(2**53)
    blocked = refuse(
        "InvalidRequestException",
        "You can't create this secret because a secret with this name is already scheduled for deletion.",
    )
    between.script("CreateSecret", blocked, blocked)
    far_secretsmanager.write(Row("1"), expect=None)
    assert far_secretsmanager.load("1") is not None


def test_a_state_that_is_no_deletion(far_secretsmanager: SecretsManagerBackend, between: Between) -> None:
    """A secret that is in another state than a deleted one is an error, and not "no such row"."""
    far_secretsmanager.write(Row("1"), expect=None)
    between.script("GetSecretValue", refuse("InvalidRequestException", "This secret is managed by others."))
    with pytest.raises(BackendError, match="in a state in which it cannot be used"):
        far_secretsmanager.load("1")


# ---- what it cannot promise


def test_clear_is_not_one_step(far_secretsmanager: SecretsManagerBackend, between: Between) -> None:
    """A `clear` that fails has deleted some rows: those are gone whole, the others are there whole."""
    for row_id in "123":
        far_secretsmanager.write(full_row(row_id, row_id), expect=None)
    between.script("DeleteSecret", *[after(lambda: None)] * 5, refuse("AccessDeniedException"))
    with pytest.raises(BackendError):
        far_secretsmanager.clear()
    assert [content(row) for row in far_secretsmanager.scan()] == [full_row("3", "3")]
    assert [row.id for row in far_secretsmanager.find("user_name", "user_name-3")] == ["3"]
    assert far_secretsmanager.clear() == 1


def test_a_scan_sees_what_aws_lists(
    secretsmanager: SecretsManagerBackend, far_secretsmanager: SecretsManagerBackend, between: Between
) -> None:
    """A row that AWS does not list yet is missing in a scan, and is found by every look-up."""
    secretsmanager.write(full_row("1"), expect=None)

    def change() -> None:
        secretsmanager.write(full_row("2"), expect=None)
        secretsmanager.remove("1")

    between.script("ListSecrets", after(change))
    assert list(far_secretsmanager.scan()) == []
    assert [row.id for row in far_secretsmanager.find("user_name", "user_name-a")] == ["2"]


def test_there_are_no_leases(secretsmanager: SecretsManagerBackend) -> None:
    """One refresh at a time holds in each process: the store has no leases of its own."""
    assert not hasattr(secretsmanager, "leases")
