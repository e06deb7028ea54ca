"""Keys that hold no row of ours: told one by one, beside a hundred good rows that nothing happens to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from tests.redis.support import keys_of, prefix_of, texts_of
from zoho_tokenstore.backends.redis import RedisBackend
from zoho_tokenstore.errors import BackendError, RowChangedError, UnreadableRowError
from zoho_tokenstore.records import ROW_FIELDS, Row, UnreadableRow
from zoho_tokenstore.testing._backend import content, full_row

Damage = Callable[[Any, str], object]
"""What others do to the key of row ``bad``."""

GOOD: Final = [full_row(f"{number:03}") for number in range(100)]
SECRET: Final = b"1000.secret-\xff"


def field(name: str, value: bytes | str) -> Damage:
    return lambda driver, key: driver.hset(key, name, value)


def without(name: str) -> Damage:
    return lambda driver, key: driver.hdel(key, name)


def another_type(make: Callable[[Any, str], object]) -> Damage:
    def damage(driver: Any, key: str) -> None:
        driver.delete(key)
        make(driver, key)

    return damage


BAD: Final[dict[str, tuple[Damage, str]]] = {
    **{
        f"no UTF-8 in {name}": (field(name, SECRET), "it holds a text that is not UTF-8")
        for name in (*ROW_FIELDS, "access_token_digest", "etag")
    },
    **{
        f"a time of {shown}": (field("updated_at_ms", text), "it holds a time that is not a number")
        for shown, text in {
            "nothing": "",
            "a word": "soon",
            "a fraction": "1.5",
            "an exponent": "1e3",
            "no end": "9" * 5000,
            "more than 64 bits": "9" * 19,
        }.items()
    },
    "no id": (without("id"), "it lacks its id or its etag"),
    "no etag": (without("etag"), "it lacks its id or its etag"),
    "another id": (field("id", "001"), "its field id is not the id of its key"),
    "a text": (another_type(lambda driver, key: driver.set(key, SECRET)), "its key holds no hash"),
    "a list": (another_type(lambda driver, key: driver.rpush(key, SECRET)), "its key holds no hash"),
    "a set": (another_type(lambda driver, key: driver.sadd(key, SECRET)), "its key holds no hash"),
    "a stream": (another_type(lambda driver, key: driver.xadd(key, {"a": SECRET})), "its key holds no hash"),
    "nothing": (
        lambda driver, key: driver.delete(key),
        "it has vanished: evicted by the server, or deleted by something other than this store",
    ),
}


@pytest.fixture
def base(tmp_path: Path) -> str:
    return f"{{{prefix_of(tmp_path)}}}:"


@pytest.fixture(params=BAD)
def reason(request: pytest.FixtureRequest, backend: RedisBackend, driver: Any, base: str) -> str:
    """A store with a hundred good rows and one that was damaged; the reason why that cannot be read."""
    for row in GOOD:
        backend.write(row, expect=None)
    backend.write(full_row("bad"), expect=None)
    damage, reason = BAD[request.param]
    damage(driver, f"{base}row:bad")
    return reason


def test_a_bad_row_is_told_beside_the_good_ones(backend: RedisBackend, reason: str) -> None:
    """Lists and look-ups yield a bad row with its id and a reason, in its place, and all good ones."""
    told = UnreadableRow("bad", reason)
    for found in (list(backend.scan()), backend.find("user_name", "user_name-a", "nobody")):
        assert found[-1] == told
        assert list(map(content, found[:-1])) == GOOD
    assert list(backend.scan(after="099")) == list(backend.scan(after="099", limit=1)) == [told]
    with pytest.raises(UnreadableRowError, match=f"^Row 'bad' in .* cannot be read: {reason}") as caught:
        backend.load("bad")
    assert (caught.value.row_id, caught.value.reason) == ("bad", reason)
    assert "1000.secret" not in texts_of(caught.value)


def test_a_bad_row_harms_no_other(backend: RedisBackend, reason: str) -> None:
    """Beside a bad row all others are loaded, replaced, made and removed."""
    for row in GOOD:
        loaded = backend.load(row.id)
        assert loaded is not None
        backend.write(row._replace(access_token="new"), expect=loaded.etag)
    assert len(backend.find("access_token", "new")) == 100
    backend.write(full_row("new"), expect=None)
    assert all(backend.remove(row.id) for row in GOOD)
    assert [row.id for row in backend.scan()] == ["bad", "new"]


def test_a_bad_row_is_removed(backend: RedisBackend, driver: Any, base: str, reason: str) -> None:
    """A bad row is removed like any other, its id is retired, and nothing finds it any more."""
    assert backend.remove("bad") is True
    assert backend.remove("bad") is False
    assert backend.load("bad") is None
    assert [retired.id for retired in backend.retired.scan()] == ["bad"]
    assert list(map(content, backend.find("user_name", "user_name-a"))) == GOOD
    assert list(map(content, backend.scan())) == GOOD


def test_bad_rows_are_cleared(backend: RedisBackend, driver: Any, base: str, reason: str) -> None:
    """`clear` deletes bad rows with the others, and retires their ids."""
    assert backend.clear() == 101
    assert list(backend.scan()) == backend.find("access_token", "access_token-a") == []
    assert len(list(backend.retired.scan())) == 101
    assert not driver.exists(f"{base}row:bad")


@pytest.mark.parametrize("has_row", [True, False])
def test_an_id_that_is_no_text(backend: RedisBackend, driver: Any, base: str, has_row: bool) -> None:
    """An id whose bytes are no UTF-8 is told as far as it can be, page by page, and cleared."""
    for row in GOOD:
        backend.write(row, expect=None)
    row_id = b"0000\xff"
    driver.zadd(f"{base}ids", {row_id: 0})
    driver.sadd(f"{base}user_name:user_name-a", row_id)
    if has_row:
        driver.hset(f"{base}row:".encode() + row_id, mapping={"id": "0000\\xff", "etag": "e"})
    told = UnreadableRow("0000\\xff", "its id is not UTF-8")
    assert [row for row in backend.scan() if isinstance(row, UnreadableRow)] == [told]
    assert [row for row in backend.find("user_name", "user_name-a") if row.id == told.id] == [told]
    assert [row.id for row in backend.scan(limit=2)] == ["000", told.id]
    assert len(list(backend.scan())) == 101
    assert backend.clear() == 101
    assert f"{base}ids" not in keys_of(driver, base[1:-2])


@pytest.mark.parametrize("damage", ["no etag", "another id", "no id", "a text"])
def test_a_bad_row_is_not_overwritten(backend: RedisBackend, driver: Any, base: str, damage: str) -> None:
    """A bad row is not taken for absence: a new row of its id is refused, and it stays as it is."""
    backend.write(full_row("bad"), expect=None)
    BAD[damage][0](driver, f"{base}row:bad")
    before = driver.dump(f"{base}row:bad")
    with pytest.raises((RowChangedError, BackendError)):
        backend.write(full_row("bad", "b"), expect=None)
    assert driver.dump(f"{base}row:bad") == before


def test_a_row_that_vanished_can_be_made_anew(backend: RedisBackend, driver: Any, base: str) -> None:
    """The id of a row that has vanished is not retired: who names his row himself can log in again."""
    etag = backend.write(full_row("tenant-7"), expect=None)
    driver.delete(f"{base}row:tenant-7")
    with pytest.raises(RowChangedError):
        backend.write(full_row("tenant-7", "b"), expect=etag)
    backend.write(full_row("tenant-7", "b"), expect=None)
    assert content(backend.load("tenant-7")) == full_row("tenant-7", "b")
    assert backend.find("user_name", "user_name-a") == []


def test_a_row_with_a_look_up_that_is_no_set_is_removed(
    backend: RedisBackend, driver: Any, base: str
) -> None:
    """A row whose look-up was replaced by something else can be removed, and be left behind by `clear`."""
    removals: list[Callable[[], int]] = [lambda: backend.remove("0"), backend.clear]
    for number, remove in enumerate(removals):
        backend.write(Row(id=str(number), user_name="alice"), expect=None)
        driver.delete(f"{base}user_name:alice")
        driver.set(f"{base}user_name:alice", "x")
        assert remove() == 1
        driver.delete(f"{base}user_name:alice")
        assert list(backend.scan()) == []


def test_a_row_found_by_a_text_that_it_has_no_more(backend: RedisBackend, driver: Any, base: str) -> None:
    """A row is found by its own text alone, whatever a look-up says."""
    backend.write(Row(id="a", user_name="alice"), expect=None)
    driver.hset(f"{base}row:a", "user_name", "bob")
    assert backend.find("user_name", "alice") == []


@pytest.mark.parametrize("name", ["retired", "meta"])
def test_the_stores_own_keys_of_another_type(
    backend: RedisBackend, driver: Any, base: str, name: str
) -> None:
    """Where the store's own keys hold something else, nothing is deleted without being retired."""
    backend.write(full_row(), expect=None)
    driver.delete(base + name)
    driver.set(base + name, "x")
    with pytest.raises(BackendError, match="holds something else"):
        backend.clear()
    assert content(backend.load("1")) == full_row()


@pytest.mark.parametrize("text", ["soon", "", "1.5"])
def test_a_time_of_clearing_that_is_none(backend: RedisBackend, driver: Any, base: str, text: str) -> None:
    """A time of the last clear that is no number is told, and the next `clear` mends it."""
    driver.hset(f"{base}meta", "cleared_ms", text)
    if text:
        with pytest.raises(BackendError, match="last clear"):
            backend.retired.cleared_ms()
    backend.clear()
    assert backend.retired.cleared_ms() > 0


def test_retired_ids_that_others_have_added(backend: RedisBackend, driver: Any, base: str) -> None:
    """Ids that are no text, and times that are no time, are listed as far as they can be."""
    driver.zadd(f"{base}retired", {b"a\xff": 1, "b": float("inf"), "c": float("-inf"), "d": 1.5})
    assert [retired.id for retired in backend.retired.scan()] == ["a\\xff", "b", "c", "d"]
    assert [retired.at_ms for retired in backend.retired.scan()] == [1, 2**53, 0, 1]


def test_many_retired_ids(backend: RedisBackend, driver: Any, base: str) -> None:
    """More retired ids than one answer holds are listed in order, each once, and pruned by their age."""
    driver.zadd(f"{base}retired", {f"{number:05}": number for number in range(5000)})
    assert [retired.id for retired in backend.retired.scan()] == [f"{number:05}" for number in range(5000)]
    assert backend.retired.prune(4000) == 4000
    assert next(backend.retired.scan()).id == "04000"
