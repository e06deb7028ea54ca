"""The table of the SDK's `DBStore` is opened in place, and both go on working on it."""

from __future__ import annotations

from typing import Final

import pytest
from zohocrmsdk.src.com.zoho.crm.api.exception import SDKException

from tests.sql import published, support
from tests.sql.conftest import Open
from tests.sqlite.test_adoption import keys_of, ten_fields
from zoho_tokenstore import TokenRecord, TokenRepository
from zoho_tokenstore._util.clock import now_ms
from zoho_tokenstore.backends.sql import SQLBackend
from zoho_tokenstore.errors import BackendError, RowChangedError
from zoho_tokenstore.records import COLUMNS, Row

TEN: Final = f"SELECT {', '.join(COLUMNS)} FROM oauthtoken ORDER BY id"
SECOND: Final = "coordinator2@zylker.example:601234502"

pytestmark = [pytest.mark.parametrize("kind", [support.MARIADB]), pytest.mark.clear]


@pytest.fixture
def legacy(url: str) -> str:
    published.load_dump(url)
    return url


def test_every_token_is_found_by_every_key_that_it_has(legacy: str, open_: Open) -> None:
    """All nine tokens, with all fields as they were, by id, name, access, refresh and grant token."""
    rows = support.query(legacy, TEN)
    assert len(rows) == 9
    tokens = TokenRepository(open_())
    for row in rows:
        for name, wanted in keys_of(row).items():
            assert ten_fields(tokens.find(wanted)) == row, name


def test_values_stay_as_they_were(legacy: str, open_: Open) -> None:
    """Adoption changes no value, and keeps the ten columns first."""
    rows = support.query(legacy, TEN)
    open_()
    assert support.query(legacy, TEN) == rows
    assert [row[:10] for row in support.query(legacy, "SELECT * FROM oauthtoken ORDER BY id")] == rows


def test_a_second_opening_changes_nothing(legacy: str, open_: Open) -> None:
    """The table is changed once: its declaration and content stay the same after another opening."""
    open_().close()
    asked = ("SHOW CREATE TABLE oauthtoken", "SELECT * FROM oauthtoken", "SELECT * FROM zoho_tokenstore")
    before = [support.query(legacy, statement) for statement in asked]
    open_()
    assert [support.query(legacy, statement) for statement in asked] == before


@pytest.mark.parametrize(
    "declared",
    [
        "ENGINE=MyISAM DEFAULT CHARSET=latin1",
        "ENGINE=InnoDB DEFAULT CHARSET=utf8mb3",
        "ENGINE=InnoDB DEFAULT CHARSET=latin1 COLLATE=latin1_german2_ci ROW_FORMAT=REDUNDANT",
        "ENGINE=Aria DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci",
    ],
)
def test_tables_of_old_servers_are_brought_up(url: str, open_: Open, declared: str) -> None:
    """Whatever engine and character set: afterwards every text is kept, and writes are transactions."""
    published.load_dump(url, declared=declared)
    rows = support.query(url, TEN)
    backend = open_()
    assert support.query(url, TEN) == rows
    (found,) = support.rows_of(backend.find("user_name", "Zoë.Müller@zylker.example"))
    backend.write(found._replace(user_name="\U0001f393" * 300), expect=found.etag)
    assert [row.id for row in backend.find("user_name", "\U0001f393" * 300)] == [found.id]
    ((_, declaration),) = support.query(url, "SHOW CREATE TABLE oauthtoken")
    assert "ENGINE=InnoDB" in declaration


def test_a_server_with_another_storage_engine_by_default(url: str) -> None:
    """All tables are InnoDB: others know no transactions, and a deletion retires its id in one."""
    SQLBackend(f"{url}?init_command=SET%20default_storage_engine%3DMyISAM").close()
    asked = "SELECT table_name, engine, row_format FROM information_schema.tables"
    found = support.query(url, f"{asked} WHERE table_schema = DATABASE()")
    assert len(found) == 5
    assert {(engine, form) for _, engine, form in found} == {("InnoDB", "Dynamic")}


def test_long_values_are_kept_whole_and_read_by_the_published_code(legacy: str, open_: Open) -> None:
    """The published varchar(255) is widened: a token of 10,000 characters is kept, and seen by both sides."""
    backend = open_()
    long = "1000." + "f" * 10_000
    held = backend.load("2")
    assert held is not None
    backend.write(held._replace(access_token=long), expect=held.etag)
    assert published.store(legacy).find_token_by_id("2").get_access_token() == long
    assert published.store(legacy).find_token(published.token(SECOND)).get_access_token() == long


def test_a_value_that_is_too_long_is_refused_whole(legacy: str, open_: Open) -> None:
    """Nothing is cut short: the row stays as it was, and the error shows no value."""
    backend = open_()
    held = backend.load("2")
    assert held is not None
    with pytest.raises(BackendError, match="too long") as refused:
        backend.write(held._replace(access_token="secret-" * 10_000), expect=held.etag)
    assert "secret-" not in f"{refused.value} {refused.value.__cause__}"
    assert refused.value.__context__ is None
    assert backend.load("2") == held


def test_a_save_of_ours_is_found_by_the_published_code(legacy: str, open_: Open) -> None:
    """New and changed rows are seen by all of its look-ups, in the ten columns that it knows."""
    backend, store = open_(), published.store(legacy)
    row = Row("9000000001", "ours", "c", "s", "r", "a", None, "4102444800000", None, "d")
    etag = backend.write(row, expect=None)
    assert published.row_of(store.find_token_by_id("9000000001")) == row[:10]
    backend.write(row._replace(access_token="b"), expect=etag)
    assert store.find_token(published.token("ours")).get_access_token() == "b"
    assert len(store.get_tokens()) == 10
    backend.remove("9000000001")
    assert store.find_token(published.token("ours")) is None


def test_what_the_published_code_inserts_is_found_at_once(legacy: str, open_: Open) -> None:
    """By every key, with the times of its insertion, and with an etag that holds."""
    backend, store = open_(), published.store(legacy)
    before = now_ms()
    inserted = published.login("theirs")
    store.save_token(inserted)
    (found,) = support.rows_of(backend.find("user_name", "theirs"))
    assert found[:10] == published.row_of(inserted)
    assert [row.id for row in backend.find("refresh_token", "1000.refresh.theirs")] == [found.id]
    assert found.created_at_ms == found.updated_at_ms
    assert before - 1000 <= (found.created_at_ms or 0) <= now_ms() + 1000
    backend.write(found._replace(access_token="ours"), expect=found.etag)
    assert store.find_token(published.token("theirs")).get_access_token() == "ours"


def test_what_the_published_code_changes_is_seen_at_once(legacy: str, open_: Open) -> None:
    """A look-up by id returns what it committed a moment ago, with another etag and a later time."""
    backend, store = open_(), published.store(legacy)
    seen = [backend.load("2")]
    for number in range(20):
        store.save_token(published.login(SECOND, str(number)))
        found = backend.load("2")
        assert found is not None
        assert found.access_token == f"1000.access.{SECOND}.{number}"
        assert backend.find("access_token", f"1000.access.{SECOND}.{number}") == [found]
        seen.append(found)
    assert None not in seen
    assert len({row.etag for row in seen if row}) == 21
    times = [row.updated_at_ms or 0 for row in seen if row]
    assert times == sorted(times)
    assert abs(times[-1] - now_ms()) < 5000


def test_compare_and_set_sees_writes_of_the_published_code(legacy: str, open_: Open) -> None:
    """Whoever read a row before it was changed, or deleted and added again, may not overwrite it."""
    backend, store = open_(), published.store(legacy)

    def theirs() -> None:
        store.save_token(published.login(SECOND, "theirs"))

    def deleted() -> None:
        store.delete_token("2")

    def added_again() -> None:
        store.save_token(published.login("somebody else", id="2"))

    read = backend.load("2")
    assert read is not None
    for happens in (theirs, deleted, added_again):
        happens()
        with pytest.raises(RowChangedError):
            backend.write(read._replace(access_token="ours"), expect=read.etag)
    found = backend.load("2")
    assert found is not None
    assert found.user_name == "somebody else"


def test_both_sides_change_one_row_in_turns(legacy: str, open_: Open) -> None:
    """Neither takes the other's write for its own, however often."""
    backend, store = open_(), published.store(legacy)
    for number in range(20):
        held = backend.load("2")
        assert held is not None
        etag = backend.write(held._replace(access_token=f"ours-{number}", updated_at_ms=7), expect=held.etag)
        mine = backend.load("2")
        assert mine is not None
        assert (mine.etag, mine.updated_at_ms) == (etag, 7)
        store.save_token(published.login(SECOND, str(number)))
        with pytest.raises(RowChangedError):
            backend.write(mine._replace(access_token="late"), expect=etag)


def test_a_published_write_that_changes_nothing_is_none(legacy: str, open_: Open) -> None:
    """Where every value stays as it is, MySQL writes nothing; so there is nothing that could be lost."""
    backend, store = open_(), published.store(legacy)
    store.save_token(published.login(SECOND))
    held = backend.load("2")
    assert held is not None
    with pytest.raises(SDKException):  # it takes the unchanged row for a missing one, and inserts it again
        store.save_token(published.login(SECOND, id="2"))
    assert backend.load("2") == held


def test_the_published_code_clears_the_table(legacy: str, open_: Open) -> None:
    """Its `delete_tokens` empties the table for both; leases are not its concern."""
    backend = open_()
    backend.leases.replace("a", "", "one", 1000)
    published.store(legacy).delete_tokens()
    assert list(backend.scan()) == []
    assert backend.leases.read("a").text == "one"


def test_adopted_ids_are_kept(legacy: str, open_: Open) -> None:
    """A refreshed token of a known user updates that user's row, and no other."""
    rows = support.query(legacy, TEN)
    tokens = TokenRepository(open_())
    held = tokens.get("2")
    assert held is not None
    tokens.save(TokenRecord(**{**held.__dict__, "id": None, "access_token": "renewed"}))
    assert support.query(legacy, TEN) == [
        (*row[:5], "renewed", *row[6:]) if row[0] == "2" else row for row in rows
    ]
