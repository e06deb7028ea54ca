"""Whether a row could be stored: asked before a code is spent, and answered as the write would be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.aws.between import Between, cancel, lose, refuse
from tests.aws.support import requests_of
from tests.aws.test_dynamodb_form import items
from zoho_tokenstore.backends.dynamodb import DynamoDBBackend
from zoho_tokenstore.errors import (
    BackendError,
    BackendTimeoutError,
    BackendUnavailableError,
    RetiredIdError,
    RowChangedError,
    TokenStoreError,
)
from zoho_tokenstore.records import Row
from zoho_tokenstore.testing._backend import full_row


def test_a_right_that_is_missing(far_dynamodb: DynamoDBBackend, between: Between) -> None:
    """The rehearsal sends what the write would send, and so AWS refuses it in the same way."""
    between.script("TransactWriteItems", *[refuse("AccessDeniedException", "dynamodb:UpdateItem")] * 2)
    for use in (far_dynamodb.rehearse, far_dynamodb.write):
        with pytest.raises(BackendUnavailableError, match=r"TransactWriteItems.*access is denied"):
            use(full_row(), expect=None)


@pytest.mark.long
def test_a_rehearsal_sees_what_the_write_would_see(dynamodb: DynamoDBBackend, tmp_path: Path) -> None:
    """A row that exists, has changed or is gone, a retired id, and one that is too large are told."""
    etag = dynamodb.write(full_row("1"), expect=None)
    gone = dynamodb.write(full_row("2"), expect=None)
    dynamodb.remove("2")
    refused: list[tuple[Row, object, type[TokenStoreError]]] = [
        (full_row("1"), None, RowChangedError),
        (full_row("1"), "made up", RowChangedError),
        (full_row("2"), gone, RowChangedError),
        (full_row("2"), None, RetiredIdError),
        (Row("3", access_token="x" * 500_000), None, BackendError),
        (Row(""), None, BackendError),
    ]
    before = items(tmp_path)
    uses: tuple[Callable[..., object], ...] = (dynamodb.rehearse, dynamodb.write)
    for row, expect, kind in refused:
        for use in uses:
            with pytest.raises(kind):
                use(row, expect=expect)
    dynamodb.rehearse(full_row("1", "b"), expect=etag)
    dynamodb.rehearse(full_row("3", "b"), expect=None)
    assert items(tmp_path) == before


def test_a_rehearsal_takes_one_request(dynamodb: DynamoDBBackend) -> None:
    """A rehearsal costs what a write costs, and no more."""
    etag = dynamodb.write(full_row("1"), expect=None)
    with requests_of(dynamodb) as sent:
        dynamodb.rehearse(full_row("1", "b"), expect=etag)
        dynamodb.rehearse(full_row("2"), expect=None)
    assert sent == ["TransactWriteItems"] * 2


def test_a_rehearsal_whose_answer_is_lost(
    far_dynamodb: DynamoDBBackend, between: Between, tmp_path: Path
) -> None:
    """A rehearsal can be repeated, whatever became of it; one that gets no answer is an error."""
    between.script("TransactWriteItems", lose, cancel("None", "TransactionConflict"))
    far_dynamodb.rehearse(full_row(), expect=None)
    assert items(tmp_path) == {}
    between.always(lose, "TransactWriteItems")
    with pytest.raises((BackendUnavailableError, BackendTimeoutError)):
        far_dynamodb.rehearse(full_row(), expect=None)
    assert items(tmp_path) == {}
