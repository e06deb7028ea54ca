"""AWS does what it is asked, and the answer is lost: what was done is reported as done."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.aws.between import Between, after, before, cancel, lose, refuse, swallow
from tests.aws.support import (
    name_for,
    raw_client,
    reopen_dynamodb,
    reopen_secretsmanager,
    secret_names,
)
from tests.aws.test_dynamodb_form import living
from zoho_tokenstore.backends._aws.failures import UnclearError
from zoho_tokenstore.backends.dynamodb import DynamoDBBackend
from zoho_tokenstore.backends.secretsmanager import SecretsManagerBackend
from zoho_tokenstore.errors import BackendUnavailableError, RowChangedError
from zoho_tokenstore.records import Row
from zoho_tokenstore.testing._backend import content, full_row


def secrets_of(folder: Path) -> list[str]:
    with raw_client("secretsmanager") as client:
        names = secret_names(client, name_for(folder))
    return [name for name in names if "/retired/" not in name]


# moto does not know ClientRequestToken, by which AWS recognises a repeated transaction: it carries it
# out again, and so finds the condition not met. That is what the backend's reading again is for.


def test_dynamodb_insert(far_dynamodb: DynamoDBBackend, between: Between) -> None:
    """An insert whose answer is lost succeeds, with the etag that is stored."""
    between.script("TransactWriteItems", lose)
    etag = far_dynamodb.write(full_row(), expect=None)
    row = far_dynamodb.load("1")
    assert row is not None
    assert row.etag == etag
    assert between.seen[:3] == ["TransactWriteItems", "TransactWriteItems", "GetItem"]


def test_dynamodb_update(far_dynamodb: DynamoDBBackend, between: Between) -> None:
    """So does an update, and the next one builds on it; a repeated request bears the same token."""
    etag = far_dynamodb.write(full_row(), expect=None)
    between.tokens.clear()
    between.script("TransactWriteItems", lose, lose)
    etag = far_dynamodb.write(full_row(mark="b"), expect=etag)
    assert len(between.tokens) == 3
    assert len(set(between.tokens)) == 1
    far_dynamodb.write(full_row(mark="c"), expect=etag)
    assert content(far_dynamodb.load("1")) == full_row(mark="c")


def test_dynamodb_token_is_kept_until_the_end(far_dynamodb: DynamoDBBackend, between: Between) -> None:
    """Once a try may have been carried out, the token stays, whatever AWS answers to the next ones."""
    between.script(
        "TransactWriteItems",
        cancel("TransactionConflict"),
        swallow,
        cancel("TransactionConflict"),
        refuse("TransactionInProgressException"),
    )
    far_dynamodb.write(full_row(), expect=None)
    assert len(between.tokens) == 5
    assert len(set(between.tokens)) == 2
    assert len(set(between.tokens[1:])) == 1


def test_dynamodb_clear_that_was_lost(
    dynamodb: DynamoDBBackend, far_dynamodb: DynamoDBBackend, between: Between
) -> None:
    """A transaction lost on its way, whose first row another process removes, has deleted no row."""
    for number in range(5):
        dynamodb.write(Row(str(number)), expect=None)
    between.script("TransactWriteItems", swallow, before(lambda: dynamodb.remove("0")))
    assert far_dynamodb.clear() == 4
    assert list(dynamodb.scan()) == []


def test_dynamodb_update_that_lost(
    dynamodb: DynamoDBBackend, far_dynamodb: DynamoDBBackend, between: Between
) -> None:
    """A request that was lost on its way, and comes too late in its second try, is refused."""
    etag = far_dynamodb.write(full_row(), expect=None)
    between.script(
        "TransactWriteItems", swallow, before(lambda: dynamodb.write(full_row(mark="b"), expect=etag))
    )
    with pytest.raises(RowChangedError):
        far_dynamodb.write(full_row(mark="c"), expect=etag)
    assert content(dynamodb.load("1")) == full_row(mark="b")


def test_dynamodb_remove(far_dynamodb: DynamoDBBackend, between: Between, tmp_path: Path) -> None:
    """A removal whose answer is lost tells that there was a row."""
    far_dynamodb.write(full_row(), expect=None)
    between.script("TransactWriteItems", lose)
    assert far_dynamodb.remove("1") is True
    assert living(tmp_path) == {}


@pytest.mark.long
def test_dynamodb_clear(far_dynamodb: DynamoDBBackend, between: Between, tmp_path: Path) -> None:
    """`clear` counts rows once whose deletion got no answer."""
    for number in range(22):
        far_dynamodb.write(full_row(f"{number:02}", str(number)), expect=None)
    between.script("TransactWriteItems", lose, lose)
    assert far_dynamodb.clear() == 22
    assert living(tmp_path) == {}


def test_secretsmanager_insert(
    far_secretsmanager: SecretsManagerBackend, between: Between, tmp_path: Path
) -> None:
    """An insert whose answers are all lost once succeeds, and makes no secret too many."""
    between.script("CreateSecret", *[lose, after(lambda: None)] * 5)
    etag = far_secretsmanager.write(full_row(), expect=None)
    row = far_secretsmanager.load("1")
    assert row is not None
    assert row.etag == etag
    assert len(secrets_of(tmp_path)) == 1 + 4
    assert far_secretsmanager.remove("1") is True
    assert secrets_of(tmp_path) == []


@pytest.mark.parametrize("operation", ["PutSecretValue", "UpdateSecretVersionStage", "DeleteSecret"])
def test_secretsmanager_update_and_remove(
    far_secretsmanager: SecretsManagerBackend, between: Between, operation: str, tmp_path: Path
) -> None:
    """So do updates and removals, whichever of their answers is lost; and they are found as they are then."""
    etag = far_secretsmanager.write(full_row(), expect=None)
    between.script(operation, *[lose, after(lambda: None)] * 5)
    etag = far_secretsmanager.write(full_row(mark="b"), expect=etag)
    row = far_secretsmanager.load("1")
    assert row is not None
    assert row.etag == etag
    assert far_secretsmanager.find("user_name", "user_name-a") == []
    assert [found.id for found in far_secretsmanager.find("access_token", "access_token-b")] == ["1"]
    between.script(operation, lose)
    assert far_secretsmanager.remove("1") is True
    assert secrets_of(tmp_path) == []


def test_secretsmanager_update_that_others_have_replaced(
    secretsmanager: SecretsManagerBackend, far_secretsmanager: SecretsManagerBackend, between: Between
) -> None:
    """An update that was made, and replaced before its answer could be repeated, was made all the same."""
    etag = far_secretsmanager.write(Row("1"), expect=None)

    def replace() -> None:
        row = secretsmanager.load("1")
        assert row is not None
        secretsmanager.write(row._replace(user_name="next"), expect=row.etag)

    between.script("UpdateSecretVersionStage", lose, before(replace))
    assert far_secretsmanager.write(Row("1", user_name="mine"), expect=etag) != etag
    assert content(secretsmanager.load("1")) == Row("1", user_name="next")


def test_answers_that_stay_away(tmp_path: Path, dynamodb: DynamoDBBackend, between: Between) -> None:
    """If no try is answered, the error says that the change may have been made."""
    patient = reopen_dynamodb(tmp_path, endpoint_url=between.url)
    between.always(lose, "TransactWriteItems")
    with pytest.raises(UnclearError, match="may still have been made") as raised:
        patient.write(full_row(), expect=None)
    assert isinstance(raised.value, BackendUnavailableError)
    assert between.seen.count("TransactWriteItems") == 3
    assert dynamodb.load("1") is not None
    patient.close()


def test_a_secret_that_may_be_stored_is_found(
    tmp_path: Path, secretsmanager: SecretsManagerBackend, between: Between
) -> None:
    """Where it stays unclear whether a row was stored, what finds it is left in place."""
    far = reopen_secretsmanager(tmp_path, endpoint_url=between.url)
    etag = far.write(Row("1", user_name="alice"), expect=None)
    between.always(lose, "UpdateSecretVersionStage")
    with pytest.raises(UnclearError):
        far.write(Row("1", user_name="bob"), expect=etag)
    assert [row.id for row in secretsmanager.find("user_name", "bob")] == ["1"]
    far.close()
