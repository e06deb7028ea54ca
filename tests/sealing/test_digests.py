"""Look-up digests: what they tell, and what comes of those that somebody has changed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sealing.support import (
    ALICE,
    BOB,
    CLIENT,
    FOREIGN,
    NEW,
    OLD,
    change,
    change_digests,
    login,
    queries,
    repository,
    rows,
    stored,
)
from zoho_tokenstore import Event, Keyset, SealingError, TokenRecord
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.records import LOOKUPS, SECRET_COLUMNS
from zoho_tokenstore.sealing import count_by_key, reseal

DIGESTED = LOOKUPS[1:]
ANYTHING = [OLD.digest("access_token", "1000.else"), "", "x", ALICE.access_token or ""]


@pytest.mark.parametrize("index", DIGESTED)
class TestChanged:
    def test_one_that_is_gone_hides_the_row_from_that_look_up(
        self, backend: Backend, ids: list[str], index: str
    ) -> None:
        """A limit: without the digest nothing leads to the row. By id, name and its others it is found."""
        change_digests(backend, ids[0], **{index: None})
        tokens = repository(backend, OLD)
        assert tokens.find(queries(ALICE)[index]) is None
        others = {name: query for name, query in queries(ALICE).items() if name != index}
        for query in (TokenRecord(id=ids[0]), *others.values()):
            found = tokens.find(query)
            assert found is not None
            assert found.id == ids[0]

    def test_one_that_is_gone_is_told_and_made_again(
        self, backend: Backend, ids: list[str], index: str
    ) -> None:
        """`keys status --verify` lists the row, `keys rotate` makes the digest, and so does the next save."""
        for repair in ("rotate", "save"):
            change_digests(backend, ids[0], **{index: None})
            assert count_by_key(backend, Keyset([OLD])).refused == [ids[0]]
            if repair == "rotate":
                assert reseal(backend, Keyset([OLD])).sealed == 1
            else:
                repository(backend, OLD).save(TokenRecord(id=ids[0], access_token=ALICE.access_token))
            assert count_by_key(backend, Keyset([OLD])).refused == []
            assert repository(backend, OLD).find(queries(ALICE)[index]) is not None

    def test_one_that_leads_to_another_row_brings_nobodys_token(
        self, backend: Backend, ids: list[str], index: str
    ) -> None:
        """Alice's digest in Bob's row does not hand Bob's token to Alice, nor is hers saved there."""
        alice, bob = (stored(backend, row_id).digests[index] for row_id in ids)
        change_digests(backend, ids[0], **{index: bob})
        change_digests(backend, ids[1], **{index: alice})
        assert count_by_key(backend, Keyset([OLD])).refused == sorted(ids)
        before = rows(backend)
        events: list[Event] = []
        tokens = repository(backend, OLD, on_event=events.append)
        for user, elsewhere in ((ALICE, ids[1]), (BOB, ids[0])):
            if index == "access_token":
                with pytest.raises(SealingError, match=elsewhere):
                    tokens.find(queries(user)[index])
            else:  # who brings a client's credentials may log in
                assert tokens.find(queries(user)[index]) is None
            assert [event.kind for event in events] in (["row_unreadable"], ["row_unreadable", "not_matched"])
            assert events[0].token_id == elsewhere
            saved = tokens.save(queries(user)[index].changed(api_domain="https://new.example"))
            assert saved.id not in ids
            events.clear()
        assert [row for row in rows(backend) if row.id in ids] == before

    def test_one_in_two_rows_leads_to_the_right_one(
        self, backend: Backend, ids: list[str], index: str
    ) -> None:
        """A row that it was copied into is passed over; Bob is no longer found by his own."""
        change_digests(backend, ids[1], **{index: stored(backend, ids[0]).digests[index]})
        tokens = repository(backend, OLD)
        found = tokens.find(queries(ALICE)[index])
        assert found is not None
        assert (found.id, found.user_name) == (ids[0], ALICE.user_name)
        assert tokens.find(queries(BOB)[index]) is None

    @pytest.mark.parametrize("planted", ANYTHING, ids=range(len(ANYTHING)))
    @pytest.mark.clear
    def test_one_of_anything_else_hides_the_row(
        self, backend: Backend, ids: list[str], index: str, planted: str
    ) -> None:
        """A limit, as for one that is gone; a clear token in its place is found by nobody."""
        change_digests(backend, ids[0], **{index: planted})
        tokens = repository(backend, OLD)
        assert tokens.find(queries(ALICE)[index]) is None
        assert tokens.get(ids[0]) is not None
        assert count_by_key(backend, Keyset([OLD])).refused == [ids[0]]

    def test_one_of_another_column_leads_nowhere(self, backend: Backend, ids: list[str], index: str) -> None:
        """A digest is that of its own look-up: an access token's does not find by a refresh token."""
        other = DIGESTED[DIGESTED.index(index) - 1]
        change_digests(backend, ids[0], **{index: stored(backend, ids[0]).digests[other]})
        tokens = repository(backend, OLD)
        value = getattr(ALICE, other)
        fields: dict[str, Any] = {index: value} if index == "access_token" else {index: value, **CLIENT}
        assert tokens.find(TokenRecord(**fields)) is None

    def test_one_of_a_key_that_is_not_here_hides_the_row(
        self, backend: Backend, ids: list[str], index: str
    ) -> None:
        """A limit: the same token's digest under a key that is not in the ring is another text."""
        change_digests(backend, ids[0], **{index: FOREIGN.digest(index, getattr(ALICE, index))})
        assert repository(backend, OLD).find(queries(ALICE)[index]) is None
        assert count_by_key(backend, Keyset([OLD])).refused == [ids[0]]


class TestPlanted:
    def test_one_for_a_missing_secret_is_told(self, backend: Backend, ids: list[str]) -> None:
        """A digest without its secret leads to a row that does not hold it: no match, and listed."""
        digest = stored(backend, ids[0]).digests["grant_token"]
        saved = repository(backend, OLD).save(login("carol", grant_token=None))
        change_digests(backend, saved.id, grant_token=digest)
        found = repository(backend, OLD).find(queries(ALICE)["grant_token"])
        assert found is not None
        assert found.id == ids[0]
        assert count_by_key(backend, Keyset([OLD])).refused == [saved.id]

    def test_one_for_a_user_name_leads_nowhere(self) -> None:
        """Names are looked up in clear; a storage that holds a digest for one is not believed."""
        backend = ListBackend()
        tokens = repository(backend, OLD)
        row_id = tokens.save(ALICE).id
        change_digests(backend, row_id, user_name="bob@zylker.example")
        with pytest.raises(SealingError, match=row_id):
            tokens.find(queries(BOB)["user_name"])

    def test_one_beside_a_box_that_does_not_open_leads_nowhere(
        self, backend: Backend, ids: list[str]
    ) -> None:
        """Alice's box and all her digests in Bob's row: the place tells."""
        alice, bob = stored(backend, ids[0]), stored(backend, ids[1])
        backend.write(bob._replace(client_secret=alice.client_secret, digests=alice.digests), expect=bob.etag)
        for query in queries(ALICE).values():
            found = repository(backend, OLD).find(query)
            assert found is not None
            assert found.id == ids[0]


class TestWhatTheyTell:
    def test_a_row_has_one_for_each_secret_that_finds_it(self, backend: Backend, ids: list[str]) -> None:
        """Access, grant and refresh token; the client secret finds nothing, so it has none."""
        assert sorted(stored(backend, ids[0]).digests) == sorted(DIGESTED)

    def test_a_digest_is_text_of_one_length(self) -> None:
        """24 characters of base64, whatever is behind it."""
        for value in ("", "x", "1000." + "a" * 64, "\U0001f393" * 1000, "a\0b"):
            digest = OLD.digest("access_token", value)
            assert len(digest) == 24
            assert digest.isascii()

    def test_equal_tokens_have_equal_digests_under_one_key_alone(self) -> None:
        """So a row is found; under another key, or of another look-up, nobody sees that it is the same."""
        made = {key.digest(index, "1000.x") for key in (OLD, NEW, FOREIGN) for index in DIGESTED}
        assert len(made) == 9
        assert OLD.digest("access_token", "1000.x") in made

    def test_lookalikes_have_different_ones(self) -> None:
        """Nothing is folded, cut or normalised before it is digested."""
        texts = ["a", "A", "a ", "a\0", "é", "e\u0301", "\u212a", "K", "x" * 300, "x" * 301]
        assert len({OLD.digest("access_token", text) for text in texts}) == len(texts)

    def test_all_keys_are_looked_up_at_once(self, backend: Backend, ids: list[str]) -> None:
        """One call of the storage, with the digest of every key, and the text where clear is accepted."""
        asked: list[tuple[str, tuple[str, ...]]] = []

        class Asked:
            __class__: Any = property(lambda _: type(backend))

            def __getattr__(self, name: str) -> Any:
                return getattr(backend, name)

            def find(self, index: str, *keys: str) -> Any:
                asked.append((index, keys))
                return backend.find(index, *keys)

        watched: Any = Asked()
        tokens = repository(watched, NEW, OLD, "clear")
        found = tokens.find(queries(ALICE)["access_token"])
        assert found is not None
        value = ALICE.access_token or ""
        digests = (NEW.digest("access_token", value), OLD.digest("access_token", value))
        assert asked == [("access_token", (*digests, value))]
        asked.clear()
        tokens.find(queries(ALICE)["user_name"])
        assert asked == [("user_name", (ALICE.user_name,))]

    def test_no_look_up_by_a_secret_reaches_the_storage_in_clear(self, ids: list[str]) -> None:
        """A sealed store asks by digests alone: a storage's log tells no token."""
        asked: list[str] = []

        class Asked(ListBackend):
            def find(self, index: str, *keys: str) -> Any:
                asked.extend(keys)
                return super().find(index, *keys)

        tokens = repository(Asked(), NEW, OLD)
        tokens.save(ALICE)
        for query in queries(ALICE).values():
            tokens.find(query)
            tokens.find(query.changed(**dict.fromkeys(["access_token", "grant_token"], "1000.no")))
        assert not [text for text in asked if text.startswith("1000.")]


class TestStatus:
    """What `keys status --verify` tells of the digests of rows."""

    @pytest.fixture
    def of_all_kinds(self) -> ListBackend:
        """A clear row, one under the old key, and one under the new key."""
        backend = ListBackend()
        for row_id, keys in (("1", ["clear", OLD]), ("2", [OLD]), ("3", [NEW, OLD, "clear"])):
            repository(backend, *keys, "clear" if keys == [OLD] else FOREIGN).save(ALICE.changed(id=row_id))
        return backend

    def test_good_rows_are_found(self, of_all_kinds: ListBackend) -> None:
        """Each by what its kind is found by; a clear row by its columns."""
        assert [sorted(row.digests) for row in rows(of_all_kinds)] == [[], sorted(DIGESTED), sorted(DIGESTED)]
        assert count_by_key(of_all_kinds, Keyset([NEW, OLD, "clear"])).refused == []

    def test_a_clear_row_with_digests_is_told(self, of_all_kinds: ListBackend) -> None:
        """A program that knows no digests has changed a sealed row: a look-up by the new token misses it."""
        sealed = rows(of_all_kinds)[1]
        clear = dict(zip(SECRET_COLUMNS, ["c", "1000.r", "1000.a", "1000.g"], strict=True))
        change(of_all_kinds, sealed.id, **clear)
        ring = Keyset([NEW, OLD, "clear"])
        assert count_by_key(of_all_kinds, ring).refused == [sealed.id]
        assert reseal(of_all_kinds, ring).refused == set()
        assert count_by_key(of_all_kinds, ring).refused == []
