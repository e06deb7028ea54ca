"""Items that hold no row of ours: told one by one, beside good rows that nothing happens to."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from tests.aws.support import requests_of
from tests.aws.test_dynamodb_form import ALICE, living, put
from zoho_tokenstore.backends.dynamodb import DynamoDBBackend
from zoho_tokenstore.backends.dynamodb import _item_keys as item_keys
from zoho_tokenstore.errors import BackendError, RowChangedError, UnreadableRowError
from zoho_tokenstore.records import BOOKKEEPING, COLUMNS, LOOKUPS, Row, UnreadableRow
from zoho_tokenstore.testing._backend import content, full_row

GOOD: Final = [full_row(f"{number:02}") for number in range(20)]
TYPE: Final = "it has an attribute of a wrong type, or none called etag"
TIME: Final = "it has a time that is not a whole number"
SECRET: Final = "1000.secret"
ETAG: Final = {"etag": {"S": "e"}}
DEEP: Final[dict[str, Any]] = {"L": [{"M": {"a": {"L": [{"S": SECRET}]}}}]}

BAD: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "bad-none": ({}, TYPE),
    "bad-etag": ({"etag": {"N": "1"}}, TYPE),
    **{f"bad-{name}": ({**ETAG, name: {"B": b"\xff"}}, TYPE) for name in COLUMNS[1:]},
    **{f"bad-{name}-digest": ({**ETAG, f"{name}_digest": {"N": "1"}}, TYPE) for name in LOOKUPS},
    **{f"bad-{name}": ({**ETAG, name: {"S": "1"}}, TYPE) for name in BOOKKEEPING},
    "bad-null": ({**ETAG, "client_id": {"NULL": True}}, TYPE),
    "bad-map": ({**ETAG, "access_token": DEEP}, TYPE),
    "bad-set": ({**ETAG, "user_name": {"SS": [SECRET]}}, TYPE),
    "bad-fraction": ({**ETAG, "created_at_ms": {"N": "1.5"}}, TIME),
    "bad-huge": ({**ETAG, "created_at_ms": {"N": "9" * 30}}, TIME),
}


@pytest.fixture
def damaged(dynamodb: DynamoDBBackend, tmp_path: Path) -> DynamoDBBackend:
    """A store with good rows and one of each kind of bad ones, all of the same user."""
    for row in GOOD:
        dynamodb.write(row, expect=None)
    for row_id, (attributes, _) in BAD.items():
        put(tmp_path, "token", row_id, **{"user_name": {"S": "user_name-a"}, **attributes})
    kind = item_keys.lookup_key("user_name", "user_name-a")
    put(tmp_path, kind, "-", ids={"SS": [*(row.id for row in GOOD), *BAD]})
    return dynamodb


@pytest.mark.long
def test_bad_rows_are_told_beside_the_good_ones(damaged: DynamoDBBackend) -> None:
    """Lists and look-ups yield each bad row with its id and a reason, and all good ones, in order."""
    told = [UnreadableRow(row_id, BAD[row_id][1]) for row_id in sorted(BAD)]
    for found in (list(damaged.scan()), damaged.find("user_name", "user_name-a")):
        assert list(map(content, found[: len(GOOD)])) == GOOD
        assert found[len(GOOD) :] == told
    assert list(damaged.scan(after="19", limit=3)) == told[:3]
    assert list(damaged.scan(after=told[0].id, limit=2)) == told[1:3]
    for row_id, reason in told:
        with pytest.raises(
            UnreadableRowError, match=f"^Row '{row_id}' in .* cannot be read: {reason}"
        ) as caught:
            damaged.load(row_id)
        assert caught.value.__context__ is None
        assert SECRET not in str(caught.value)


@pytest.mark.long
def test_bad_rows_harm_no_other(damaged: DynamoDBBackend) -> None:
    """Beside bad rows all others are loaded, replaced, made and removed; a bad one is no absence."""
    for row in GOOD[:3]:
        loaded = damaged.load(row.id)
        assert loaded is not None
        damaged.write(row._replace(user_name="bob"), expect=loaded.etag)
    damaged.write(full_row("99", "b"), expect=None)
    assert [row.id for row in damaged.find("user_name", "bob")] == ["00", "01", "02"]
    assert damaged.remove("00") is True
    with pytest.raises(RowChangedError):
        damaged.write(full_row("bad-none"), expect=None)


@pytest.mark.long
def test_bad_rows_are_removed(damaged: DynamoDBBackend) -> None:
    """Bad rows are removed like any other, their ids are retired, and nothing finds them any more."""
    for row_id in BAD:
        assert damaged.remove(row_id) is True
        assert damaged.remove(row_id) is False
    assert [retired.id for retired in damaged.retired.scan()] == sorted(BAD)
    assert list(map(content, damaged.scan())) == GOOD
    assert list(map(content, damaged.find("user_name", "user_name-a"))) == GOOD


@pytest.mark.long
def test_bad_rows_are_cleared(damaged: DynamoDBBackend, tmp_path: Path) -> None:
    """`clear` deletes bad rows with the others, with what finds them, and retires their ids.

    Where the text that finds a row cannot be read, its id stays there, and finds nothing.
    """
    assert damaged.clear() == len(GOOD) + len(BAD)
    kind = item_keys.lookup_key("user_name", "user_name-a")
    assert {key: set(item["ids"]["SS"]) for key, item in living(tmp_path).items()} == {
        (kind, "-"): {"bad-user_name", "bad-user_name-digest", "bad-set"}
    }
    assert damaged.find("user_name", "user_name-a") == []
    assert [retired.id for retired in damaged.retired.scan()] == [*(row.id for row in GOOD), *sorted(BAD)]


@pytest.mark.parametrize(
    ("attribute", "text"), [({"N": "1790000000000"}, "1790000000000"), ({"N": "1.5"}, "1.5")]
)
def test_an_expiry_that_is_a_number(
    dynamodb: DynamoDBBackend, tmp_path: Path, attribute: dict[str, str], text: str
) -> None:
    """An expiry that others have stored as a number is passed on as its decimal text."""
    put(tmp_path, "token", "7", **ETAG, expiry_time=attribute)
    assert content(dynamodb.load("7")) == Row("7", expiry_time=text)


@pytest.mark.parametrize("attributes", [{}, {"ids": {"S": "1"}}, {"ids": {"L": [{"S": "1"}]}}])
def test_look_up_items_that_others_have_changed(
    dynamodb: DynamoDBBackend, tmp_path: Path, attributes: dict[str, Any]
) -> None:
    """A look-up item that holds no ids is an error of that text alone, and no absence."""
    put(tmp_path, ALICE, "-", **attributes)
    dynamodb.write(Row("2", user_name="bob"), expect=None)
    for names in (["alice"], ["alice", "bob"]):
        with pytest.raises(BackendError, match="does not hold what this store wrote"):
            dynamodb.find("user_name", *names)
    assert [row.id for row in dynamodb.find("user_name", "bob")] == ["2"]


@pytest.mark.parametrize(
    "attributes",
    [{}, {"text": {"N": "1"}}, {"text": {"L": [{"S": "1"}]}}],
)
def test_leases_that_others_have_changed(
    dynamodb: DynamoDBBackend, tmp_path: Path, attributes: dict[str, Any]
) -> None:
    """A lease that cannot be read is told by its name, and is in nobody else's way."""
    put(tmp_path, "lease:a", "-", **attributes)
    with pytest.raises(BackendError, match="a lease 'a' that cannot be read"):
        dynamodb.leases.read("a")
    assert dynamodb.leases.replace("b", "", "one", 1000)


@pytest.mark.parametrize("attributes", [{}, {"at_ms": {"S": "soon"}}, {"at_ms": {"N": "1.5"}}])
def test_retired_ids_that_others_have_changed(
    dynamodb: DynamoDBBackend, tmp_path: Path, attributes: dict[str, Any]
) -> None:
    """A retired id without its time stays retired, and is the first to be pruned."""
    put(tmp_path, "retired", "7", **attributes)
    assert list(dynamodb.retired.scan()) == [("7", 0)]
    assert dynamodb.retired.prune(1) == 1


@pytest.mark.parametrize("attributes", [{}, {"at_ms": {"S": "soon"}}])
def test_a_time_of_clearing_that_is_none(
    dynamodb: DynamoDBBackend, tmp_path: Path, attributes: dict[str, Any]
) -> None:
    """A note of the last clear that has no time is told, and not taken for "never"."""
    put(tmp_path, "store", "cleared", **attributes)
    with pytest.raises(BackendError, match="without the time of the last clear"):
        dynamodb.retired.cleared_ms()


def test_what_retiring_costs(dynamodb: DynamoDBBackend) -> None:
    """An id is retired, and looked for, in the transaction that there is anyway."""
    with requests_of(dynamodb) as sent:
        dynamodb.write(full_row(), expect=None)
        dynamodb.remove("1")
    assert sent == ["TransactWriteItems", "GetItem", "TransactWriteItems"]
