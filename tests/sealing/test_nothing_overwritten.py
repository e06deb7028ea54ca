"""Rows that do not open are neither overwritten nor taken for absent: no login is spent on them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.sealing.support import (
    ALICE,
    BOB,
    CLIENT,
    FOREIGN,
    NEW,
    OLD,
    box_of,
    change,
    login,
    queries,
    reads,
    repository,
    rows,
    saves,
    secrets_of,
    stored,
)
from tests.unit.renewal.support import ORIGIN, Zoho, renewer
from zoho_tokenstore import (
    BackendError,
    InvalidTokenError,
    Keyset,
    SealingError,
    TokenRecord,
    TokenRepository,
)
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.records import Row
from zoho_tokenstore.renewal._task import names_of
from zoho_tokenstore.sealing import SealingKey
from zoho_tokenstore.sealing import _format as values

pytestmark = pytest.mark.clear  # most of it is about what comes of clear rows

SEALED_VALUE = OLD.seal("1000.x", b".")

# A store as it is: the keys under which it was filled. And with which it is opened.
WRONG = {
    "sealed, opened without keys": ([OLD], None),
    "sealed, opened with another key": ([OLD], [FOREIGN]),
    "sealed, opened with a newer key": ([OLD], [NEW]),
    "clear, opened with a key": (None, [OLD]),
}

NEW_LOGINS = (
    TokenRecord(grant_token="1000.new-grant", **CLIENT),
    TokenRecord(refresh_token="1000.new-refresh", **CLIENT),
    TokenRecord(grant_token="1000.g", refresh_token="1000.r", **CLIENT),
)


def opened(backend: Backend, keys: Any, **options: Any) -> TokenRepository:
    return TokenRepository(backend, keys=None if keys is None else Keyset(keys), **options)


@pytest.fixture(params=WRONG)
def wrong(request: pytest.FixtureRequest, backend: Backend) -> Iterator[tuple[TokenRepository, list[str]]]:
    """A repository with the wrong keys, over Alice's and Bob's rows; their ids."""
    filled_with, opened_with = WRONG[request.param]
    filling = opened(backend, filled_with)
    ids = [filling.save(user).id or "" for user in (ALICE, BOB)]
    before = rows(backend)
    yield opened(backend, opened_with), ids
    assert rows(backend) == before, "something was changed"


Wrong = tuple[TokenRepository, list[str]]


class TestWrongKeys:
    def test_every_read_raises(self, wrong: Wrong) -> None:
        """By id, name, access, grant and refresh token, and in a scan."""
        tokens, ids = wrong
        for user, row_id in zip((ALICE, BOB), ids, strict=True):
            for call in reads(user, row_id).values():
                with pytest.raises(SealingError):
                    call(tokens)

    def test_every_save_of_a_stored_user_raises(self, wrong: Wrong) -> None:
        """By whatever the user's row would be found; its bytes stay."""
        tokens, ids = wrong
        for user, row_id in zip((ALICE, BOB), ids, strict=True):
            for record in saves(user, row_id).values():
                with pytest.raises(SealingError):
                    tokens.save(record)

    def test_nobody_else_is_saved_either(self, wrong: Wrong) -> None:
        """A new user's row would make the store a mixture: it is refused before it is written."""
        tokens, _ = wrong
        for record in (login("carol"), login("carol", id="1"), TokenRecord(access_token="1000.alone")):
            with pytest.raises(SealingError):
                tokens.save(record)

    def test_a_new_login_is_refused_before_its_code_is_spent(self, wrong: Wrong) -> None:
        """The look-up with credentials raises, so nothing is exchanged; no lease is taken for it."""
        tokens, _ = wrong
        zoho = Zoho()
        process = renewer(tokens, zoho)
        for query in NEW_LOGINS:
            with pytest.raises(SealingError):
                process.find(query, lambda: ORIGIN)
            assert tokens.leases.read(names_of(query)[0]).text == ""
        process.close()
        assert zoho.sent == 0

    def test_a_new_login_of_a_named_user_is_refused_too(self, wrong: Wrong) -> None:
        """Also where the token carries a new user's name, which no row has."""
        tokens, _ = wrong
        zoho = Zoho()
        process = renewer(tokens, zoho)
        for query in NEW_LOGINS:
            with pytest.raises(SealingError):
                process.find(query.changed(user_name="carol"), lambda: ORIGIN)
        assert zoho.sent == 0

    def test_a_name_without_credentials_is_looked_up_by_what_is_readable(self, wrong: Wrong) -> None:
        """Names and ids are stored in clear: for those of nobody the answer is that there is none."""
        tokens, ids = wrong
        assert tokens.find(TokenRecord(user_name="carol")) is None
        assert tokens.find(TokenRecord(id="1")) is None
        assert tokens.get("1") is None
        assert ids

    def test_an_id_of_nobodys_is_absent(self, wrong: Wrong) -> None:
        """Deleting what is not there is no error, and deletes nothing."""
        tokens, _ = wrong
        assert tokens.delete("1") is False


class TestWhatTheFirstRowsTell:
    """`check_store` looks at twenty rows. These are its limits: docs/explanation/sealing.md has them."""

    @pytest.fixture
    def mixture(self) -> tuple[ListBackend, str]:
        """The first row is under the old key, the second, Alice's, under one that is not here; her id."""
        backend = ListBackend()
        repository(backend, OLD).save(BOB.changed(id="1"))
        other = ListBackend()
        repository(other, FOREIGN).save(ALICE.changed(id="2"))
        backend.write(rows(other)[0], expect=None)
        return backend, "2"

    def test_by_id_and_name_any_row_is_refused(self, mixture: tuple[ListBackend, str]) -> None:
        """What finds the row leads to a refusal, whatever the first rows are."""
        backend, row_id = mixture
        for name in ("get", "find by id", "find by user_name"):
            with pytest.raises(SealingError, match=f"'{row_id}'"):
                reads(ALICE, row_id)[name](repository(backend, OLD))
        with pytest.raises(SealingError, match=f"'{row_id}'"):
            repository(backend, OLD).save(saves(ALICE, row_id)["by id"])

    @pytest.mark.parametrize("index", ["access_token", "grant_token", "refresh_token"])
    def test_by_token_a_row_under_a_missing_key_is_not_seen(
        self, mixture: tuple[ListBackend, str], index: str
    ) -> None:
        """A limit: only its key can tell that a digest is that of the token asked for."""
        backend, _ = mixture
        assert repository(backend, OLD).find(queries(ALICE)[index]) is None

    @pytest.mark.parametrize("name", ["by name", "by refresh token", "all of it"])
    def test_its_user_is_saved_in_a_second_row(self, mixture: tuple[ListBackend, str], name: str) -> None:
        """One row that does not open locks nobody out: he logs in beside it, and it is not touched."""
        backend, row_id = mixture
        before = stored(backend, row_id)
        saved = repository(backend, OLD).save(saves(ALICE, row_id)[name])
        assert saved.id not in ("1", "2")
        assert stored(backend, row_id) == before
        assert repository(backend, OLD).get(saved.id or "") == saved

    @pytest.mark.parametrize("count", [1, 2, 19, 20, 21])
    @pytest.mark.parametrize("foreign", ["clear", FOREIGN], ids=["clear", "under another key"])
    def test_rows_of_others_stop_nobody_while_one_of_the_first_is_ours(
        self, count: int, foreign: SealingKey | str
    ) -> None:
        """Up to nineteen rows that other programs put before ours; then the store counts as theirs."""
        backend = ListBackend()
        repository(backend, OLD).save(BOB.changed(id="8"))
        for number in range(count):
            other = ListBackend()
            keys = [foreign, OLD] if foreign == "clear" else [foreign]
            repository(other, *keys).save(login(f"user{number}", id=f"1{number:02}"))
            backend.write(rows(other)[0], expect=None)
        tokens = repository(backend, OLD)
        if count < 20:
            assert tokens.find(queries(ALICE)["refresh_token"]) is None
            assert tokens.save(ALICE).id
        else:
            with pytest.raises(SealingError, match="'100'"):
                tokens.find(queries(ALICE)["refresh_token"])
            with pytest.raises(SealingError, match="'100'"):
                tokens.save(ALICE)

    def test_one_clear_row_alone_stops_nobody(self) -> None:
        """Any program may have written it; of two it is another matter."""
        backend = ListBackend()
        for count, user in enumerate((BOB, login("carol")), 1):
            other = ListBackend()
            repository(other, "clear", OLD).save(user.changed(id=str(count)))
            backend.write(rows(other)[0], expect=None)
            tokens = repository(backend, OLD)
            if count == 1:
                assert tokens.find(queries(ALICE)["refresh_token"]) is None
                tokens.delete(tokens.save(ALICE).id or "")
            else:
                with pytest.raises(SealingError):
                    tokens.save(ALICE)

    def test_rows_that_cannot_be_listed_tell_nothing(self) -> None:
        """A limit: a storage that fails on them lets the others be used."""

        class Failing(ListBackend):
            def scan(self, *, after: str | None = None, limit: int | None = None) -> Iterator[Row]:
                raise BackendError("This row cannot be read.")

        backend = Failing()
        assert repository(backend, OLD).find(queries(ALICE)["refresh_token"]) is None
        assert repository(backend, OLD).save(ALICE).id

    def test_an_empty_store_suits_any_keys(self) -> None:
        """There is nothing in it that could be mixed with."""
        for keys in (None, [OLD], [FOREIGN]):
            assert opened(ListBackend(), keys).find(queries(ALICE)["refresh_token"]) is None


class TestSealedTextsFromOutside:
    """A caller hands a sealed value in as a secret, for example from a database browser."""

    @pytest.mark.parametrize("column", ["access_token", "refresh_token", "grant_token", "client_secret"])
    def test_a_clear_store_refuses_it(self, backend: Backend, column: str) -> None:
        """It would look like a sealed row ever after. The value is not in the message."""
        tokens = TokenRepository(backend)
        with pytest.raises(InvalidTokenError, match=f"{column} is a sealed value") as refused:
            tokens.save(ALICE.changed(**{column: SEALED_VALUE}))
        assert SEALED_VALUE not in str(refused.value)
        assert tokens.count() == 0
        saved = tokens.save(ALICE)
        with pytest.raises(InvalidTokenError):
            tokens.save(TokenRecord(id=saved.id, access_token="1000.y").changed(**{column: SEALED_VALUE}))
        assert tokens.get(saved.id or "") == saved

    def test_a_store_that_seals_keeps_it(self, backend: Backend) -> None:
        """Inside a sealed store it is a text like any other."""
        tokens = repository(backend, OLD)
        fields = dict.fromkeys(["access_token", "refresh_token", "grant_token"], SEALED_VALUE)
        saved = tokens.save(ALICE.changed(**fields))
        assert tokens.get(saved.id or "") == saved
        found = tokens.find(TokenRecord(access_token=SEALED_VALUE))
        assert found == saved

    @pytest.mark.parametrize(
        "text", ["zts1.", "zts1.00000000", "zts1.0000000.", "zts1 00000000.", "ZTS1.00000000."]
    )
    def test_what_only_begins_like_one_is_a_secret(self, backend: Backend, text: str) -> None:
        """Without the whole form it is kept, in a clear store as in a sealed one."""
        for keys in (None, [OLD]):
            tokens = opened(backend, keys)
            saved = tokens.save(ALICE.changed(access_token=text))
            assert tokens.find(TokenRecord(access_token=text)) == saved
            tokens.clear()

    def test_a_stored_text_is_no_key_to_its_row(self, backend: Backend, ids: list[str]) -> None:
        """Who knows a stored text or digest finds nothing by it: neither is the token."""
        row = stored(backend, ids[0])
        for keys in ([OLD], [NEW, OLD]):
            tokens = opened(backend, keys)
            for text in (box_of(row), *row.digests.values()):
                assert tokens.find(TokenRecord(access_token=text)) is None
                assert tokens.find(TokenRecord(refresh_token=text, **CLIENT)) is None

    @pytest.mark.parametrize("without_digest", [False, True])
    def test_nor_where_clear_secrets_are_accepted(
        self, backend: Backend, ids: list[str], without_digest: bool
    ) -> None:
        """There a text is also looked up as it stands: what it leads to is not answered with."""
        if without_digest:
            change(backend, ids[0], digests={})
        row = stored(backend, ids[0])
        tokens = opened(backend, [OLD, "clear"])
        for text in (box_of(row), *row.digests.values()):
            try:
                assert tokens.find(TokenRecord(access_token=text)) is None
            except SealingError:
                assert text in row.digests.values()


class TestConversion:
    """`"clear"` among the keys: newest while sealing is prepared, oldest while it goes on."""

    def test_clear_as_the_newest_leaves_new_secrets_clear(self, backend: Backend, ids: list[str]) -> None:
        """Rows under the key are read, and saved in clear: the way back."""
        tokens = opened(backend, ["clear", OLD])
        for user, row_id in zip((ALICE, BOB), ids, strict=True):
            for query in queries(user).values():
                found = tokens.find(query)
                assert found is not None
                assert found.id == row_id
        tokens.save(ALICE.changed(access_token="1000.renewed"))
        row = stored(backend, ids[0])
        assert secrets_of(row) == (
            ALICE.client_secret,
            ALICE.refresh_token,
            "1000.renewed",
            ALICE.grant_token,
        )
        assert dict(row.digests) == {}
        assert tokens.find(TokenRecord(access_token="1000.renewed")) is not None

    def test_clear_as_the_oldest_seals_what_is_saved(self, backend: Backend) -> None:
        """Clear rows are read, and sealed by their next save."""
        ids = [TokenRepository(backend).save(user).id or "" for user in (ALICE, BOB)]
        tokens = opened(backend, [NEW, OLD, "clear"])
        for user, row_id in zip((ALICE, BOB), ids, strict=True):
            for query in queries(user).values():
                found = tokens.find(query)
                assert found is not None
                assert found.id == row_id
        assert tokens.save(ALICE.changed(access_token="1000.renewed")).id == ids[0]
        assert values.key_id_of(box_of(stored(backend, ids[0]))) == NEW.id
        assert secrets_of(stored(backend, ids[1]))[2] == BOB.access_token

    def test_clear_in_the_middle_does_both(self, backend: Backend, ids: list[str]) -> None:
        """Its place among the older keys means nothing."""
        tokens = opened(backend, [NEW, "clear", OLD])
        clear = ListBackend()
        carol = TokenRepository(clear).save(login("carol"))
        backend.write(rows(clear)[0], expect=None)
        assert {record.id for record in tokens.scan()} == {*ids, carol.id}
        assert tokens.save(TokenRecord(id=carol.id, access_token="1000.new")).id == carol.id
        assert values.key_id_of(box_of(stored(backend, carol.id))) == NEW.id

    def test_without_clear_a_mixture_is_refused_row_by_row(self, backend: Backend, ids: list[str]) -> None:
        """A clear row between sealed ones is refused, the sealed ones are read."""
        clear = ListBackend()
        carol = TokenRepository(clear).save(login("carol"))
        backend.write(rows(clear)[0], expect=None)
        tokens = opened(backend, [OLD])
        assert tokens.get(ids[0]) is not None
        with pytest.raises(SealingError, match=carol.id):
            tokens.get(carol.id or "")
        before = stored(backend, carol.id)
        again = tokens.save(login("carol"))
        assert again.id not in (*ids, carol.id)
        assert stored(backend, carol.id) == before
