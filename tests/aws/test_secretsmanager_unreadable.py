"""Secrets that hold no row of ours: told one by one, beside good rows that nothing happens to."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

import pytest

from tests.aws.support import name_for, raw_client
from tests.aws.test_secretsmanager_form import by, living_in, put
from zoho_tokenstore.backends.secretsmanager import SecretsManagerBackend
from zoho_tokenstore.backends.secretsmanager._secret_names import key_of
from zoho_tokenstore.errors import BackendError, RowChangedError, UnreadableRowError
from zoho_tokenstore.records import COLUMNS, Row, UnreadableRow
from zoho_tokenstore.testing._backend import content, full_row

GOOD: Final = [full_row(f"{number:02}") for number in range(5)]
JSON: Final = "its secret holds no JSON object"
TYPE: Final = "its secret holds a value of a wrong type"
ID: Final = "its secret lacks the id that belongs to its name"
SECRET: Final = "1000.verysecret"


def row(**values: Any) -> str:
    return json.dumps(values)


BAD: Final[dict[str, tuple[str | bytes, str]]] = {
    "bad_text": (SECRET, JSON),
    "bad_list": ("[]", JSON),
    "bad_word": (json.dumps(SECRET), JSON),
    "bad_number": ("1", JSON),
    "bad_null": ("null", JSON),
    "bad_end": ('{"id": "bad_end", "access_token": "' + SECRET, JSON),
    "bad_binary": (b"\xff" + SECRET.encode(), JSON),
    "bad_depth": ("[" * 30_000, JSON),
    "bad_deep": ('{"id": "bad_deep", "x": ' + "[" * 20_000 + "]" * 20_000 + "}", JSON),
    "bad_digits": ('{"id": "bad_digits", "created_at_ms": ' + "9" * 5000 + "}", JSON),
    "bad_surrogate": ('{"id": "bad_surrogate", "user_name": "\\ud800"}', JSON),
    "bad_surrogate_name": ('{"id": "bad_surrogate_name", "\\ud800": 1}', JSON),
    "bad_empty": ("{}", ID),
    "bad_id": (row(id="00"), ID),
    "bad_id_null": (row(id=None), ID),
    "bad_id_type": (row(id=1), TYPE),
    **{f"bad_{name}": (row(id=f"bad_{name}", **{name: {"a": [SECRET]}}), TYPE) for name in COLUMNS[1:]},
    "bad_bool": (row(id="bad_bool", created_at_ms=True), TYPE),
    "bad_fraction": (row(id="bad_fraction", created_at_ms=1.5), TYPE),
    "bad_huge": (row(id="bad_huge", created_at_ms=10**30), TYPE),
    "bad_infinite": ('{"id": "bad_infinite", "updated_at_ms": Infinity}', TYPE),
    "bad_time": (row(id="bad_time", identified_at_ms="1"), TYPE),
    "bad_digest": (row(id="bad_digest", access_token_digest=1), TYPE),
}
LOST: Final = key_of("An id that does not fit into a name")


def put_secret(folder: Path, name: str, value: str | bytes) -> None:
    if isinstance(value, str):
        put(folder, name, value)
        return
    with raw_client("secretsmanager") as client:
        client.create_secret(Name=f"{name_for(folder)}/{name}", SecretBinary=value)


@pytest.fixture
def damaged(secretsmanager: SecretsManagerBackend, tmp_path: Path) -> SecretsManagerBackend:
    """A store with good rows and one of each kind of bad ones, all named by one look-up."""
    for good in GOOD:
        secretsmanager.write(good._replace(user_name=None), expect=None)
    for key, (value, _) in BAD.items():
        put_secret(tmp_path, f"token/{key}", value)
    put_secret(tmp_path, f"token/{LOST}", "{}")
    marks = {str(number): key for number, key in enumerate([*BAD, LOST])}
    put(tmp_path, by("user_name", "alice"), json.dumps({"rows": marks}))
    return secretsmanager


def told() -> list[UnreadableRow]:
    reasons = {**{key: reason for key, (_, reason) in BAD.items()}, LOST: ID}
    return [UnreadableRow(key, reasons[key]) for key in sorted(reasons)]


@pytest.mark.long
def test_bad_rows_are_told_beside_the_good_ones(damaged: SecretsManagerBackend) -> None:
    """Lists and look-ups yield each bad row with its id and a reason, and all good ones, in order."""
    found = list(damaged.scan())
    assert list(map(content, found[: len(GOOD)])) == [good._replace(user_name=None) for good in GOOD]
    assert found[len(GOOD) :] == damaged.find("user_name", "alice") == told()
    for key, reason in (bad for bad in told() if bad.id != LOST):
        with pytest.raises(
            UnreadableRowError, match=f"^Row '{key}' in .* cannot be read: {reason}"
        ) as caught:
            damaged.load(key)
        assert caught.value.__context__ is None
        assert SECRET not in str(caught.value)
    with pytest.raises(UnreadableRowError, match=ID):
        damaged.load("An id that does not fit into a name")


def test_bad_rows_harm_no_other(damaged: SecretsManagerBackend) -> None:
    """Beside bad rows all others are loaded, replaced, made and removed; a bad one is no absence."""
    for good in GOOD[:2]:
        loaded = damaged.load(good.id)
        assert loaded is not None
        damaged.write(good._replace(user_name="bob"), expect=loaded.etag)
    assert [found.id for found in damaged.find("user_name", "bob")] == ["00", "01"]
    assert damaged.remove("00") is True
    with pytest.raises(RowChangedError):
        damaged.write(full_row("bad_empty"), expect=None)


@pytest.mark.long
def test_bad_rows_are_removed(damaged: SecretsManagerBackend) -> None:
    """Bad rows are removed like any other, and their ids are retired; by its key one whose id is lost."""
    for key, _ in told():
        assert damaged.remove(key) is True
        assert damaged.remove(key) is False
    assert [retired.id for retired in damaged.retired.scan()] == [key for key, _ in told()]
    assert [found.id for found in damaged.scan()] == [good.id for good in GOOD]
    assert damaged.find("user_name", "alice") == []


@pytest.mark.long
def test_bad_rows_are_cleared(damaged: SecretsManagerBackend, tmp_path: Path) -> None:
    """`clear` deletes bad rows with the others, and retires their ids."""
    assert damaged.clear() == len(GOOD) + len(told())
    assert list(damaged.scan()) == []
    assert len(list(damaged.retired.scan())) == len(GOOD) + len(told())
    assert list(living_in(tmp_path)) == [by("user_name", "alice")]  # made by hand, named by no hint


@pytest.mark.parametrize(("number", "text"), [("1790000000000", "1790000000000"), ("1.5", "1.5")])
def test_an_expiry_that_is_a_number(
    secretsmanager: SecretsManagerBackend, tmp_path: Path, number: str, text: str
) -> None:
    """An expiry that others have stored as a number is passed on as its decimal text."""
    put(tmp_path, "token/7", f'{{"id": "7", "expiry_time": {number}, "user_name": null}}')
    assert content(secretsmanager.load("7")) == Row("7", expiry_time=text)


@pytest.mark.parametrize("hints", ["[1]", '"x"', "1", '{"user_name": 1}', '{"nobody": "x"}', "null"])
def test_hints_that_others_have_changed(
    secretsmanager: SecretsManagerBackend, tmp_path: Path, hints: str
) -> None:
    """A row whose marks are none is replaced, found by its new text, and removed."""
    put(tmp_path, "token/7", f'{{"id": "7", "user_name": "alice", "hints": {hints}}}')
    loaded = secretsmanager.load("7")
    assert loaded is not None
    secretsmanager.write(Row("7", user_name="bob"), expect=loaded.etag)
    assert [found.id for found in secretsmanager.find("user_name", "bob")] == ["7"]
    assert secretsmanager.remove("7") is True
    assert living_in(tmp_path) == {}


DAMAGED: Final = ['{"rows": 1}', '{"rows": {"a": 1}}', '{"rows": {"a": "../x"}}', "{}", "[", "[" * 30_000]


@pytest.mark.parametrize("text", DAMAGED)
def test_look_up_secrets_that_others_have_changed(
    secretsmanager: SecretsManagerBackend, tmp_path: Path, text: str
) -> None:
    """A look-up secret that holds no keys is an error of that text alone, and no absence."""
    put(tmp_path, by("user_name", "alice"), text)
    secretsmanager.write(Row("2", user_name="bob"), expect=None)
    for names in (["alice"], ["alice", "bob"]):
        with pytest.raises(BackendError, match="does not hold what this store wrote"):
            secretsmanager.find("user_name", *names)
    assert [found.id for found in secretsmanager.find("user_name", "bob")] == ["2"]


# ---- retired ids


@pytest.mark.parametrize("text", ['{"ids": 1}', '{"ids": ["7"]}', "[", "[" * 30_000])
def test_retired_ids_that_others_have_changed(
    secretsmanager: SecretsManagerBackend, tmp_path: Path, text: str
) -> None:
    """Where the retired ids cannot be read, nothing is taken for not retired; rows that are there go on."""
    etag = secretsmanager.write(Row("7"), expect=None)
    shard = shard_of("7")
    put(tmp_path, f"retired/{shard}", text)
    other = next(row_id for row_id in map(str, range(100)) if shard_of(row_id) == shard and row_id != "7")
    uses: list[Any] = [
        lambda: secretsmanager.write(Row(other), expect=None),
        lambda: secretsmanager.remove("7"),
        lambda: list(secretsmanager.retired.scan()),
    ]
    for use in uses:
        with pytest.raises(BackendError, match=f"/retired/{shard} does not hold what this store wrote"):
            use()
    secretsmanager.write(Row("7", user_name="bob"), expect=etag)
    free = next(row_id for row_id in map(str, range(100)) if shard_of(row_id) != shard)
    secretsmanager.write(Row(free), expect=None)


def test_a_time_of_retiring_that_is_none(secretsmanager: SecretsManagerBackend, tmp_path: Path) -> None:
    """A retired id without its time stays retired, and is the first to be pruned."""
    put(tmp_path, f"retired/{shard_of('7')}", '{"ids": {"7": "soon"}}')
    assert list(secretsmanager.retired.scan()) == [("7", 0)]
    assert secretsmanager.retired.prune(1) == 1
    assert living_in(tmp_path) == {}


@pytest.mark.parametrize("text", ['{"layout": 1, "cleared_ms": "soon"}', '{"layout": 1, "cleared_ms": true}'])
def test_a_time_of_clearing_that_is_none(
    secretsmanager: SecretsManagerBackend, tmp_path: Path, text: str
) -> None:
    """A time of the last clear that is none is told, and the next `clear` mends it."""
    put(tmp_path, "store", text)
    with pytest.raises(BackendError, match="does not hold what this store wrote"):
        secretsmanager.retired.cleared_ms()
    secretsmanager.clear()
    assert secretsmanager.retired.cleared_ms() > 0


def shard_of(row_id: str) -> str:
    return hashlib.sha256(key_of(row_id).encode()).hexdigest()[0]
