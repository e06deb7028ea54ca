"""Rows and look-up items while others write: nothing is missed, lost or half done."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.aws.between import Between, Forward, Reply, after, before, cancel
from tests.aws.support import reopen_dynamodb
from tests.aws.test_dynamodb_form import items, living
from zoho_tokenstore.backends.dynamodb import DynamoDBBackend
from zoho_tokenstore.backends.dynamodb._item_keys import lookup_keys
from zoho_tokenstore.errors import BackendTimeoutError, RowChangedError
from zoho_tokenstore.records import Row
from zoho_tokenstore.testing._backend import content, full_row


def is_sound(backend: DynamoDBBackend, folder: Path) -> bool:
    """Tell whether the look-up items name exactly the rows that there are."""
    named = {
        (kind, sort)
        for (kind, _), item in items(folder).items()
        for sort in item.get("ids", {}).get("SS", ())
    }
    return named == {
        (kind, row.id) for row in backend.scan() if isinstance(row, Row) for kind in lookup_keys(row)
    }


def move(backend: DynamoDBBackend, row_id: str = "1", **columns: Any) -> Callable[[], object]:
    """Return what changes a row as it is then."""

    def work() -> object:
        row = backend.load(row_id)
        assert row is not None
        return backend.write(row._replace(**columns), expect=row.etag)

    return work


@pytest.mark.parametrize(("key", "other"), [("old", "new"), ("new", "old")])
def test_a_row_that_moves_is_found(
    dynamodb: DynamoDBBackend, far_dynamodb: DynamoDBBackend, between: Between, key: str, other: str
) -> None:
    """A row moved from one of the keys to another, before or after these are read, is found."""
    for row_id, happens in (("1", before), ("2", after)):
        dynamodb.clear()
        dynamodb.write(Row(row_id, user_name=key), expect=None)
        between.script("TransactGetItems", happens(move(dynamodb, row_id, user_name=other)))
        assert [content(row) for row in far_dynamodb.find("user_name", "old", "new")] == [
            Row(row_id, user_name=other)
        ]


def test_one_that_comes_in_the_place_of_another_is_found(
    dynamodb: DynamoDBBackend, far_dynamodb: DynamoDBBackend, between: Between
) -> None:
    """If a row has left the key since it was named, whoever has come to it meanwhile is found."""
    dynamodb.write(Row("1", user_name="alice"), expect=None)

    def swap() -> None:
        dynamodb.write(Row("2", user_name="alice"), expect=None)
        dynamodb.remove("1")

    between.script("BatchGetItem", before(swap))
    assert [row.id for row in far_dynamodb.find("user_name", "alice")] == ["2"]
    assert between.seen == ["GetItem", "BatchGetItem"] * 2


def test_two_rows_share_a_key(dynamodb: DynamoDBBackend, tmp_path: Path) -> None:
    """A look-up item stays as long as one row needs it, whoever leaves it first."""
    for first, second in (("1", "2"), ("4", "3")):
        for row_id in (first, second):
            dynamodb.write(full_row(row_id), expect=None)
        assert dynamodb.remove(first) is True
        assert [row.id for row in dynamodb.find("user_name", "user_name-a")] == [second]
        assert is_sound(dynamodb, tmp_path)
        dynamodb.clear()
        assert living(tmp_path) == {}


def test_another_row_joins_while_one_leaves(
    dynamodb: DynamoDBBackend, far_dynamodb: DynamoDBBackend, between: Between, tmp_path: Path
) -> None:
    """A look-up item that has got another row is not deleted by who believes to be alone in it."""
    etag = far_dynamodb.write(full_row("1"), expect=None)
    between.script("TransactWriteItems", before(lambda: dynamodb.write(full_row("2"), expect=None)))
    far_dynamodb.write(full_row("1", "b"), expect=etag)
    assert [row.id for row in dynamodb.find("user_name", "user_name-a")] == ["2"]
    assert is_sound(dynamodb, tmp_path)


def test_the_other_row_leaves_at_the_same_time(
    dynamodb: DynamoDBBackend, far_dynamodb: DynamoDBBackend, between: Between, tmp_path: Path
) -> None:
    """Who believes that others stay in a look-up item, and is the last, deletes it."""
    for row_id in "123":
        dynamodb.write(full_row(row_id), expect=None)
    dynamodb.remove("3")
    between.script("TransactWriteItems", after(lambda: None), before(lambda: dynamodb.remove("2")))
    assert far_dynamodb.remove("1") is True
    assert living(tmp_path) == {}


def test_a_removed_row_is_the_one_of_then(
    dynamodb: DynamoDBBackend, far_dynamodb: DynamoDBBackend, between: Between, tmp_path: Path
) -> None:
    """A row that changes between reading and deleting goes in its new form, with what finds that."""
    dynamodb.write(full_row("1"), expect=None)
    between.script("TransactWriteItems", before(move(dynamodb, user_name="new")))
    assert far_dynamodb.remove("1") is True
    assert living(tmp_path) == {}


def test_a_write_that_is_late_changes_nothing(
    dynamodb: DynamoDBBackend, far_dynamodb: DynamoDBBackend, between: Between, tmp_path: Path
) -> None:
    """A write refused in its transaction leaves neither a row nor a look-up item of its own."""
    etag = far_dynamodb.write(full_row("1"), expect=None)
    between.script("TransactWriteItems", before(move(dynamodb, user_name="first")))
    with pytest.raises(RowChangedError):
        far_dynamodb.write(full_row("1", "late"), expect=etag)
    assert far_dynamodb.find("user_name", "user_name-late") == []
    assert is_sound(dynamodb, tmp_path)


@pytest.mark.long
def test_clearing_beside_a_writer(
    dynamodb: DynamoDBBackend, far_dynamodb: DynamoDBBackend, between: Between, tmp_path: Path
) -> None:
    """What was there when `clear` began is gone, also a row that was changed in between."""
    for number in range(30):
        dynamodb.write(full_row(str(number), str(number % 3)), expect=None)
    between.script(
        "TransactWriteItems",
        before(move(dynamodb, user_name="moved")),
        before(lambda: dynamodb.write(Row("zz"), expect=None)),
    )
    assert far_dynamodb.clear() == 31
    assert living(tmp_path) == {}


def test_clearing_takes_few_transactions(
    dynamodb: DynamoDBBackend, far_dynamodb: DynamoDBBackend, between: Between
) -> None:
    """Up to 16 rows go in one transaction, even if each is found by four texts of its own."""
    for number in range(17):
        dynamodb.write(full_row(str(number), str(number)), expect=None)
    assert far_dynamodb.clear() == 17
    assert between.seen.count("TransactWriteItems") == 2


def test_clearing_takes_fewer_rows_where_others_write(
    dynamodb: DynamoDBBackend, far_dynamodb: DynamoDBBackend, between: Between
) -> None:
    """After a transaction that met a writer the next one has half of the rows, so that it meets fewer."""
    for number in range(16):
        dynamodb.write(Row(str(number)), expect=None)
    between.script("TransactWriteItems", before(move(dynamodb, user_name="moved")))
    assert far_dynamodb.clear() == 16
    assert between.seen.count("TransactWriteItems") == 3


def test_clearing_beside_endless_writes_gives_up(
    dynamodb: DynamoDBBackend, tmp_path: Path, between: Between
) -> None:
    """A row that changes all the time is an error after the timeout, and no endless loop."""
    impatient = reopen_dynamodb(tmp_path, endpoint_url=between.url)
    impatient._calls.timeout = 1
    dynamodb.write(Row("1"), expect=None)
    between.always(before(move(dynamodb, user_name="busy")), "TransactWriteItems")
    for use in (impatient.clear, lambda: impatient.remove("1")):
        with pytest.raises(BackendTimeoutError, match="did not finish within 1 s"):
            use()
    impatient.close()


def test_conflicting_transactions_are_tried_again(
    far_dynamodb: DynamoDBBackend, between: Between, tmp_path: Path
) -> None:
    """AWS cancels one of two transactions that meet: it is sent again, as a new one, and none is lost."""
    between.script(
        "TransactWriteItems",
        cancel("None", "TransactionConflict"),
        cancel("TransactionConflict", "None", "ThrottlingError"),
    )
    far_dynamodb.write(full_row("1"), expect=None)
    assert len(set(between.tokens)) == len(between.tokens) == 3
    between.script("TransactGetItems", cancel("None", "TransactionConflict"))
    assert [row.id for row in far_dynamodb.find("user_name", "user_name-a", "b")] == ["1"]
    between.script("TransactWriteItems", cancel("ConditionalCheckFailed", "TransactionConflict"))
    with pytest.raises(RowChangedError):
        far_dynamodb.write(full_row("1"), expect=None)


@pytest.mark.long
def test_threads_that_change_the_same_keys(dynamodb: DynamoDBBackend, tmp_path: Path) -> None:
    """Rows of several threads that come to the same keys and leave them end with sound look-up items."""

    def work(row_id: str) -> None:
        etag = dynamodb.write(full_row(row_id), expect=None)
        for turn in range(6):
            etag = dynamodb.write(full_row(row_id, "ab"[turn % 2]), expect=etag)
        if row_id in "12":
            dynamodb.remove(row_id)

    threads = [threading.Thread(target=work, args=(row_id,)) for row_id in "1234"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [row.id for row in dynamodb.find("user_name", "user_name-b")] == ["3", "4"]
    assert is_sound(dynamodb, tmp_path)


@pytest.mark.long
def test_many_rows_under_one_key(dynamodb: DynamoDBBackend) -> None:
    """More rows than one request may name are found under one key."""
    for number in range(110):
        dynamodb.write(Row(f"{number:03}", user_name="alice"), expect=None)
    assert len(dynamodb.find("user_name", "alice")) == 110


def test_what_aws_leaves_out_is_asked_for_again(far_dynamodb: DynamoDBBackend, between: Between) -> None:
    """Rows that AWS has had no time for are read in another request."""
    for row_id in "12":
        far_dynamodb.write(Row(row_id, user_name="alice"), expect=None)

    def half(forward: Forward) -> Reply:
        reply = forward()
        answer = json.loads(reply.body)
        ((table, rows),) = answer["Responses"].items()
        left = rows.pop()
        key = {name: left[name] for name in ("kind", "id")}
        answer["UnprocessedKeys"] = {table: {"Keys": [key], "ConsistentRead": True}}
        headers = {name: text for name, text in reply.headers.items() if "crc32" not in name.lower()}
        return reply._replace(body=json.dumps(answer).encode(), headers=headers)

    between.script("BatchGetItem", half)
    assert [row.id for row in far_dynamodb.find("user_name", "alice")] == ["1", "2"]
    assert between.seen[-3:] == ["GetItem", "BatchGetItem", "BatchGetItem"]
