"""How rows stand in the table, and what a call costs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.aws.support import name_for, raw_client, reopen_dynamodb, requests_of
from zoho_tokenstore._util.clock import now_ms
from zoho_tokenstore.backends.dynamodb import DynamoDBBackend
from zoho_tokenstore.backends.dynamodb import _item_keys as item_keys
from zoho_tokenstore.errors import BackendError, ConfigurationError
from zoho_tokenstore.records import LONGEST_ID, RetiredId, Row
from zoho_tokenstore.testing._backend import content, full_row

ALICE = "lookup:user_name:2bd806c97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90"


def items(folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Return all items of a test's table, by their keys, as boto3 gives them."""
    with raw_client("dynamodb") as client:
        found = client.scan(TableName=name_for(folder))["Items"]
    return {(item.pop("kind")["S"], item.pop("id")["S"]): item for item in found}


def living(folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Return all items but those that outlive the rows: the retired ids, and the note of the last clear."""
    return {key: item for key, item in items(folder).items() if key[0] not in ("retired", "store")}


def put(folder: Path, kind: str, sort: str, **attributes: Any) -> None:
    """Write an item past the backend."""
    with raw_client("dynamodb") as client:
        client.put_item(TableName=name_for(folder), Item={**item_keys.key(kind, sort), **attributes})


def test_a_row_stands_under_the_published_names(dynamodb: DynamoDBBackend, tmp_path: Path) -> None:
    """A row is one item with the published columns; what is null is not there, what is empty is."""
    row = Row("1", user_name="alice", refresh_token="r", api_domain="", expiry_time="5", created_at_ms=7)
    row = row._replace(identified_at_ms=8)
    etag = dynamodb.write(row._replace(digests={"refresh_token": "d"}), expect=None)
    found = items(tmp_path)
    assert found.pop(("token", "1")) == {
        "user_name": {"S": "alice"},
        "refresh_token": {"S": "r"},
        "refresh_token_digest": {"S": "d"},
        "api_domain": {"S": ""},
        "expiry_time": {"S": "5"},
        "created_at_ms": {"N": "7"},
        "identified_at_ms": {"N": "8"},
        "etag": {"S": etag},
    }
    assert found.pop((ALICE, "-")) == {"ids": {"SS": ["1"]}}
    ((kind, _),) = found
    assert kind.startswith("lookup:refresh_token:")


def test_a_retired_id_is_an_item(dynamodb: DynamoDBBackend, tmp_path: Path) -> None:
    """A deleted row leaves its id and the time, and `clear` its own time; nothing else."""
    before = now_ms()
    dynamodb.write(full_row("1"), expect=None)
    dynamodb.remove("1")
    dynamodb.clear()
    found = items(tmp_path)
    assert list(found) == [("retired", "1"), ("store", "cleared")]
    for item in found.values():
        assert list(item) == ["at_ms"]
        assert before <= int(item["at_ms"]["N"]) <= now_ms()


def test_no_key_shows_a_secret(dynamodb: DynamoDBBackend, tmp_path: Path) -> None:
    """AWS writes keys into its logs: no column's text but the id is in one."""
    dynamodb.write(full_row("1", "verysecret"), expect=None)
    assert "verysecret" not in repr(list(items(tmp_path)))


def test_what_finds_nothing_is_gone(dynamodb: DynamoDBBackend, tmp_path: Path) -> None:
    """Changes and removals leave no look-up item behind that names no row."""
    etag = dynamodb.write(full_row("1", "a"), expect=None)
    for mark in "bcd":
        etag = dynamodb.write(full_row("1", mark), expect=etag)
    dynamodb.write(full_row("2", "d"), expect=None)
    assert len(living(tmp_path)) == 2 + 4
    dynamodb.remove("1")
    assert len(living(tmp_path)) == 1 + 4
    dynamodb.clear()
    assert living(tmp_path) == {}


def test_what_is_not_ours_is_left_alone(dynamodb: DynamoDBBackend, tmp_path: Path) -> None:
    """Other items of the table are no rows, and `clear` does not touch them."""
    put(tmp_path, "invoice", "1", user_name={"S": "alice"})
    dynamodb.write(Row("1"), expect=None)
    assert [row.id for row in dynamodb.scan()] == ["1"]
    assert dynamodb.clear() == 1
    assert living(tmp_path) == {("invoice", "1"): {"user_name": {"S": "alice"}}}


WIDEST = "\U0010ffff" * LONGEST_ID


def test_every_id_is_a_sort_key(dynamodb: DynamoDBBackend) -> None:
    """The longest and widest ids fit into a key whole, and are scanned in order, from any on."""
    ids = sorted(["y", "x" * LONGEST_ID, "x" * (LONGEST_ID - 1) + "\u00e9", "\uffff" * LONGEST_ID, WIDEST])
    for row_id in ids:
        dynamodb.write(Row(row_id, user_name="alice"), expect=None)
    assert [row.id for row in dynamodb.scan()] == ids
    assert [row.id for row in dynamodb.find("user_name", "alice")] == ids
    for number, row_id in enumerate(ids):
        assert [row.id for row in dynamodb.scan(after=row_id)] == ids[number + 1 :]
        assert [row.id for row in dynamodb.scan(after=row_id, limit=2)] == ids[number + 1 : number + 3]
    assert [dynamodb.remove(row_id) for row_id in ids] == [True] * len(ids)
    assert [retired.id for retired in dynamodb.retired.scan()] == ids


@pytest.mark.parametrize(
    ("columns", "size"),
    [({"access_token": "x" * 500_000}, "500"), ({"user_name": "\U0001f393" * 110_000}, "440")],
)
def test_rows_beyond_the_limit_of_an_item(
    dynamodb: DynamoDBBackend, columns: dict[str, Any], size: str
) -> None:
    """A row of more than 400 KB is refused with its size, and nothing is changed."""
    with pytest.raises(BackendError, match=rf"takes {size}\d\d\d bytes, .* at most 409600"):
        dynamodb.write(Row("1", **columns), expect=None)
    assert list(dynamodb.scan()) == []


def test_an_empty_id(dynamodb: DynamoDBBackend) -> None:
    """No row has an empty id: none is found, none is written."""
    assert dynamodb.load("") is None
    assert dynamodb.remove("") is False
    with pytest.raises(BackendError, match="empty id"):
        dynamodb.write(Row(""), expect=None)


def test_a_look_up_item_that_lies(dynamodb: DynamoDBBackend, tmp_path: Path) -> None:
    """The row decides: a look-up item that names a wrong or missing row finds nothing, and does not hang."""
    dynamodb.write(Row("1", user_name="bob"), expect=None)
    put(tmp_path, ALICE, "-", ids={"SS": ["1", "2"]})
    assert dynamodb.find("user_name", "alice") == []
    etag = dynamodb.write(Row("3", user_name="alice"), expect=None)
    assert [row.id for row in dynamodb.find("user_name", "alice")] == ["3"]
    dynamodb.write(Row("3"), expect=etag)
    assert items(tmp_path)[ALICE, "-"] == {"ids": {"SS": ["1", "2"]}}


def test_a_look_up_item_that_is_gone(dynamodb: DynamoDBBackend, tmp_path: Path) -> None:
    """A row whose look-up item somebody has deleted can be changed and removed."""
    etag = dynamodb.write(Row("1", user_name="alice"), expect=None)
    with raw_client("dynamodb") as client:
        client.delete_item(TableName=name_for(tmp_path), Key=item_keys.key(ALICE))
    dynamodb.write(Row("1", user_name="bob"), expect=etag)
    assert [row.id for row in dynamodb.find("user_name", "bob")] == ["1"]
    assert dynamodb.remove("1") is True


def test_a_newer_layout_is_refused(dynamodb: DynamoDBBackend, tmp_path: Path) -> None:
    """A table that a release with another layout has marked is not opened."""
    put(tmp_path, "store", "layout", layout={"N": "2"})
    with pytest.raises(BackendError, match=r"has layout 2; this release knows 1\. Upgrade"):
        reopen_dynamodb(tmp_path)


def test_a_table_of_others_is_refused(tmp_path: Path, dynamodb: DynamoDBBackend) -> None:
    """A table with other keys is named as such, and left as it is."""
    other = tmp_path / "other"
    with raw_client("dynamodb") as client:
        client.create_table(
            TableName=name_for(other),
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        )
    for create in (False, True):
        with pytest.raises(ConfigurationError, match="its keys must be kind"):
            reopen_dynamodb(other, create=create)


def test_a_missing_table(tmp_path: Path) -> None:
    """A table that is not there is not created unless that is asked for; the error says how."""
    with pytest.raises(ConfigurationError, match=r"does not exist, .* create=True"):
        reopen_dynamodb(tmp_path / "none")


def test_a_created_table(dynamodb: DynamoDBBackend, tmp_path: Path) -> None:
    """A created table is billed on demand, and loses old leases by itself; creating it twice does no harm."""
    dynamodb.write(Row("1"), expect=None)
    reopen_dynamodb(tmp_path, create=True).close()
    with raw_client("dynamodb") as client:
        table = client.describe_table(TableName=name_for(tmp_path))["Table"]
        ttl = client.describe_time_to_live(TableName=name_for(tmp_path))["TimeToLiveDescription"]
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert ttl == {"TimeToLiveStatus": "ENABLED", "AttributeName": "ttl"}
    assert dynamodb.load("1") is not None


def test_every_read_is_strongly_consistent(dynamodb: DynamoDBBackend) -> None:
    """No request reads what may be outdated."""
    asked: list[dict[str, Any]] = []
    events = dynamodb._calls._client._open().meta.events
    events.register("provide-client-params", lambda params, **_: asked.append(params))
    dynamodb.write(full_row(), expect=None)
    dynamodb.load("1")
    dynamodb.find("user_name", "user_name-a")
    list(dynamodb.scan())
    dynamodb.leases.read("a")
    reads = [params for params in asked if "TransactItems" not in params]
    batched = [params["RequestItems"][dynamodb._table] for params in reads if "RequestItems" in params]
    assert [params["ConsistentRead"] for params in reads if "RequestItems" not in params] == [True] * 4
    assert [params["ConsistentRead"] for params in batched] == [True]


@pytest.mark.parametrize(
    ("use", "requests"),
    [
        (lambda backend: backend.load("1"), "GetItem"),
        (lambda backend: backend.find("user_name", "user_name-a"), "GetItem BatchGetItem"),
        (lambda backend: backend.find("user_name", "nobody"), "GetItem"),
        (lambda backend: backend.find("user_name", "user_name-a", "b"), "TransactGetItems BatchGetItem"),
        (lambda backend: list(backend.scan()), "Query"),
        (lambda backend: list(backend.scan(limit=1)), "Query"),
        (lambda backend: backend.write(Row("3"), expect=None), "TransactWriteItems"),
        (
            lambda backend: backend.write(Row("1"), expect=backend.load("1").etag),
            "GetItem TransactWriteItems",
        ),
        (lambda backend: backend.remove("1"), "GetItem TransactWriteItems"),
        (lambda backend: backend.clear(), "UpdateItem Query TransactWriteItems Query"),
        (lambda backend: list(backend.retired.scan()), "Query"),
        (lambda backend: backend.retired.add([RetiredId("7", 1), RetiredId("8", 1)]), "PutItem PutItem"),
        (lambda backend: backend.retired.prune(1), "Query"),
        (lambda backend: backend.retired.cleared_ms(), "GetItem"),
        (lambda backend: backend.leases.read("a"), "GetItem"),
        (lambda backend: backend.leases.replace("a", "", "one", 1), "PutItem"),
        (lambda backend: backend.leases.replace("a", "zero", "one", 1), "PutItem"),
    ],
)
def test_requests_of_a_call(dynamodb: DynamoDBBackend, use: Callable[[Any], object], requests: str) -> None:
    """A call takes these requests, whatever else is stored; the page tells what they cost."""
    dynamodb.write(full_row("1", "a"), expect=None)
    dynamodb.write(full_row("2", "b"), expect=None)
    with requests_of(dynamodb) as sent:
        use(dynamodb)
    assert sent == requests.split()


def test_a_scan_reads_page_by_page(dynamodb: DynamoDBBackend) -> None:
    """Rows of more than the megabyte of one answer are read in several requests, as they are wanted."""
    for number in range(6):
        dynamodb.write(Row(str(number), access_token="x" * 300_000), expect=None)
    with requests_of(dynamodb) as sent:
        rows = dynamodb.scan()
        next(rows)
        assert sent == ["Query"]
        assert [row.id for row in rows] == list("12345")
    assert sent == ["Query", "Query"]


def test_the_same_row_is_the_same_object(dynamodb: DynamoDBBackend, tmp_path: Path) -> None:
    """While nobody has changed a row, the very same object is returned; also not after an edit by hand."""
    etag = dynamodb.write(full_row(), expect=None)
    first = dynamodb.load("1")
    assert dynamodb.load("1") is first
    assert dynamodb.find("user_name", "user_name-a")[0] is first
    put(tmp_path, "token", "1", etag={"S": etag}, user_name={"S": "by hand"})
    assert content(dynamodb.load("1")) == Row("1", user_name="by hand")
