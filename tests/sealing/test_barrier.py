"""What keeps secrets from whoever holds the storage: HashiCorp Vault's list of barrier tests, and more."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from functools import partial
from itertools import permutations
from pathlib import Path

import pytest

from tests.sealing.support import (
    ALICE,
    BOB,
    CLIENT,
    FOREIGN,
    NEW,
    OLD,
    USERS,
    bytes_of,
    change,
    login,
    queries,
    reads,
    repository,
    rows,
    saves,
    stored,
)
from zoho_tokenstore import ConfigurationError, KeyRing, SealingError, TokenRecord, TokenRepository
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.coordinator import Coordinator
from zoho_tokenstore.crypto import values
from zoho_tokenstore.crypto.sealing import secrets_of, with_secrets
from zoho_tokenstore.records import LOOKUPS, SECRET_COLUMNS

READS = sorted(reads(ALICE, ""))
SAVES = sorted(saves(ALICE, ""))
PART = 8  # of a secret's characters; the shortest that is looked for

pytestmark = pytest.mark.usefixtures("no_keys")


def secrets(user: TokenRecord) -> list[str]:
    return [getattr(user, column) for column in SECRET_COLUMNS]


def forms(secret: str) -> Iterator[bytes]:
    """Every part of a secret, and the whole of it in other spellings."""
    for start in range(len("1000."), len(secret) - PART + 1):
        yield secret[start : start + PART].encode()
    for encoding in ("utf-16-le", "utf-16-be"):
        yield secret.encode(encoding)
    for shift in range(3):
        yield base64.b64encode(b"\0" * shift + secret.encode())[4:-4]
    yield secret.encode().hex().encode()
    yield secret[::-1].encode()


class TestConfidentiality:
    def test_no_stored_byte_tells_a_secret(self, backend: Backend, ids: list[str], tmp_path: Path) -> None:
        """Rows, indexes, leases and logs hold no part of a secret, through saves, refreshes and deletions."""
        tokens = repository(backend, OLD)
        later = [login(f"user{number}@zylker.example") for number in range(5)]
        saved = [tokens.save(user) for user in later]
        renewed = login("renewed").access_token
        tokens.save(saved[0].changed(access_token=renewed))
        tokens.delete(saved[1].id or "")
        tokens.get(ids[0])
        with pytest.raises(SealingError):
            repository(backend, FOREIGN).get(ids[0])
        tokens.leases.acquire("name", "owner", 1000)
        image = bytes_of(backend, tmp_path)
        assert ALICE.user_name is not None
        assert ALICE.user_name.encode() in image  # the image is one
        known = {text for user in (*USERS, *later) for text in secrets(user)} | {renewed or ""}
        assert [text for text in known for form in forms(text) if form in image] == []

    def test_a_login_under_the_coordinator_tells_no_secret(self, backend: Backend, tmp_path: Path) -> None:
        """Neither the name of a lease nor the note beside it tells the credential that it stands for."""
        coordinator = Coordinator(repository(backend, OLD))
        grant = TokenRecord(grant_token=ALICE.grant_token, **CLIENT)
        assert coordinator.find(grant) is None
        image = bytes_of(backend, tmp_path)
        assert [text for text in secrets(ALICE) for form in forms(text) if form in image] == []
        coordinator.save(ALICE)
        coordinator.close()
        image = bytes_of(backend, tmp_path)
        assert [text for text in secrets(ALICE) for form in forms(text) if form in image] == []

    def test_equal_values_have_different_texts(self, backend: Backend, ids: list[str]) -> None:
        """Two users' client secret, one value in two columns, one value saved twice: never one text."""
        same = login("same", **dict.fromkeys(LOOKUPS[1:], "1000.one"), client_secret="1000.one")
        row = stored(backend, repository(backend, OLD).save(same).id)
        texts = [*secrets_of(stored(backend, ids[0])), *secrets_of(stored(backend, ids[1])), *secrets_of(row)]
        assert len(set(texts)) == 3 * len(SECRET_COLUMNS)
        repository(backend, OLD).delete(row.id)
        again = stored(backend, repository(backend, OLD).save(same).id)
        assert not set(secrets_of(again)) & set(texts)
        assert again.digests == row.digests  # they must be found

    def test_an_unchanged_secret_keeps_its_text(self, backend: Backend, ids: list[str]) -> None:
        """A refresh seals the new access token alone: what is not changed is not written again."""
        before = stored(backend, ids[0])
        repository(backend, OLD).save(TokenRecord(id=ids[0], access_token="1000.renewed"))
        after = stored(backend, ids[0])
        changed = [name for name in SECRET_COLUMNS if getattr(before, name) != getattr(after, name)]
        assert changed == ["access_token"]

    def test_a_secret_is_sealed_anew_when_its_owner_is_told_more_of(self, backend: Backend) -> None:
        """A save that adds a name or a domain moves the row to another place: all of it opens there."""
        tokens = repository(backend, OLD)
        saved = tokens.save(ALICE.changed(user_name=None, api_domain=None))
        for more in ({"user_name": ALICE.user_name}, {"api_domain": ALICE.api_domain}):
            before = stored(backend, saved.id)
            saved = tokens.save(saved.changed(**more, access_token=f"1000.{len(more)}"))
            assert repository(backend, OLD).get(saved.id or "") == saved
            assert not set(secrets_of(before)) & set(secrets_of(stored(backend, saved.id)))

    def test_every_nonce_is_new(self) -> None:
        """Of 20,000 sealed texts of one value no two begin with the same 96 bits."""
        nonces = {OLD.seal("x", "access_token", b".")[14:30] for _ in range(20_000)}
        assert len(nonces) == 20_000


class TestIntegrity:
    @pytest.mark.parametrize("column", SECRET_COLUMNS)
    def test_one_changed_byte_is_refused(self, backend: Backend, ids: list[str], column: str) -> None:
        """At every tenth position of a stored text, by every call that reads it; see test_values for all."""
        sealed = getattr(stored(backend, ids[0]), column)
        for position in range(0, len(sealed), 10):
            other = "A" if sealed[position] != "A" else "B"
            change(backend, ids[0], **{column: sealed[:position] + other + sealed[position + 1 :]})
            with pytest.raises(SealingError, match=ids[0]):
                repository(backend, OLD).get(ids[0])
        change(backend, ids[0], **{column: sealed})
        assert repository(backend, OLD).get(ids[0])

    @pytest.mark.parametrize("column", ["user_name", "client_id", "api_domain"])
    def test_an_entry_given_to_another_owner_is_refused(
        self, backend: Backend, ids: list[str], column: str
    ) -> None:
        """Whoever writes his own name, client or domain beside somebody's secrets gets none of them."""
        for planted in ("mallory", "", None):
            change(backend, ids[0], **{column: planted})
            for call in ("get", "find by access_token", "find by refresh_token", "scan"):
                with pytest.raises(SealingError):
                    reads(ALICE, ids[0])[call](repository(backend, OLD))

    def test_an_entry_moved_to_another_id_is_refused(self, backend: Backend, ids: list[str]) -> None:
        """A row copied under another id does not open there; the first one still does."""
        row = stored(backend, ids[0])
        backend.write(row._replace(id="1"), expect=None)
        tokens = repository(backend, OLD)
        with pytest.raises(SealingError, match="'1'"):
            tokens.get("1")
        for query in queries(ALICE).values():
            with pytest.raises(SealingError, match="'1'"):
                tokens.find(query)
        assert tokens.get(ids[0]) is not None

    def test_secrets_moved_to_another_row_are_refused(self, backend: Backend, ids: list[str]) -> None:
        """All four of Alice's secrets with their digests in Bob's row: Bob's is refused, Alice's opens."""
        alice, bob = stored(backend, ids[0]), stored(backend, ids[1])
        moved = with_secrets(bob, secrets_of(alice))._replace(digests=alice.digests)
        backend.write(moved, expect=bob.etag)
        tokens = repository(backend, OLD)
        with pytest.raises(SealingError, match=ids[1]):
            tokens.get(ids[1])
        with pytest.raises(SealingError, match=ids[1]):
            tokens.find(TokenRecord(access_token=ALICE.access_token))
        assert tokens.get(ids[0]) is not None

    @pytest.mark.parametrize("pair", list(permutations(SECRET_COLUMNS, 2)), ids="-".join)
    def test_a_secret_moved_to_another_column_is_refused(
        self, backend: Backend, ids: list[str], pair: tuple[str, str]
    ) -> None:
        """A refresh token in the place of the access token, which is sent to other hosts, is refused."""
        taken, place = pair
        row = stored(backend, ids[0])
        change(backend, ids[0], **{place: getattr(row, taken)})
        with pytest.raises(SealingError):
            repository(backend, OLD).get(ids[0])

    def test_a_clear_secret_is_refused(self, backend: Backend, ids: list[str]) -> None:
        """Whoever can write rows cannot plant a token of his own in clear."""
        change(backend, ids[0], access_token="1000.planted")
        for call in ("get", "find by user_name", "find by refresh_token", "scan"):
            with pytest.raises(SealingError):
                reads(ALICE, ids[0])[call](repository(backend, OLD))

    def test_an_older_text_of_the_same_place_opens(self, backend: Backend, ids: list[str]) -> None:
        """A limit: what was sealed in a place before opens there again. Nothing tells a restored backup."""
        before = stored(backend, ids[0])
        repository(backend, OLD).save(TokenRecord(id=ids[0], access_token="1000.renewed"))
        change(backend, ids[0], access_token=before.access_token, digests=before.digests)
        found = repository(backend, OLD).get(ids[0])
        assert found is not None
        assert found.access_token == ALICE.access_token

    def test_a_secret_taken_away_is_a_missing_one(self, backend: Backend, ids: list[str]) -> None:
        """A limit: an emptied column reads as a field that the token does not have."""
        change(backend, ids[0], refresh_token=None)
        found = repository(backend, OLD).get(ids[0])
        assert found is not None
        assert (found.refresh_token, found.access_token) == (None, ALICE.access_token)


class TestKeys:
    def test_the_old_key_reads_after_a_rotation(self, backend: Backend, ids: list[str]) -> None:
        """With a new key before the old one every look-up answers as before, and nothing is written."""
        before = rows(backend)
        tokens = repository(backend, NEW, OLD)
        for user, row_id in zip(USERS, ids, strict=True):
            for query in (TokenRecord(id=row_id), *queries(user).values()):
                found = tokens.find(query)
                assert found is not None
                assert found.id == row_id
                assert secrets(found) == secrets(user)
        assert rows(backend) == before

    def test_a_save_seals_all_of_the_row_under_the_new_key(self, backend: Backend, ids: list[str]) -> None:
        """After a rotation the next save of a user leaves nothing under the old key in his row."""
        repository(backend, NEW, OLD).save(TokenRecord(id=ids[0], access_token="1000.renewed"))
        row, other = stored(backend, ids[0]), stored(backend, ids[1])
        assert {values.key_id_of(text or "") for text in secrets_of(row)} == {NEW.id}
        assert {values.key_id_of(text or "") for text in secrets_of(other)} == {OLD.id}
        alone = repository(backend, NEW)
        renewed = ALICE.changed(access_token="1000.renewed")
        for query in queries(renewed).values():
            found = alone.find(query)
            assert found is not None
            assert secrets(found) == secrets(renewed)

    @pytest.mark.parametrize("call", READS)
    def test_without_the_old_key_old_rows_are_refused(
        self, backend: Backend, ids: list[str], call: str
    ) -> None:
        """Once the old key is gone, a row that is still under it is refused, not skipped."""
        with pytest.raises(SealingError):
            reads(ALICE, ids[0])[call](repository(backend, NEW))

    @pytest.mark.parametrize("call", READS)
    def test_the_old_key_alone_reads_nothing_newer(self, backend: Backend, ids: list[str], call: str) -> None:
        """A process that has only the old key refuses what is under the new one."""
        tokens = repository(backend, NEW, OLD)
        for user in USERS:
            tokens.save(user.changed(redirect_url="https://new.example"))
        with pytest.raises(SealingError):
            reads(ALICE, ids[0])[call](repository(backend, OLD))

    @pytest.mark.parametrize("length", [0, 1, 16, 31, 33, 64])
    def test_a_key_of_another_length_is_refused(self, length: int) -> None:
        """Bytes and texts of keys that have not 32 bytes are refused, and not shown."""
        material = b"Qx" * 32
        encoded = base64.urlsafe_b64encode(material[:length]).decode().rstrip("=")
        for given in (material[:length], [material[:length]], f"ztk1_{encoded}", [f"ztk1_{encoded}"]):
            with pytest.raises(ConfigurationError) as refused:
                KeyRing(given)
            assert "QxQ" not in str(refused.value)
            assert encoded[:4] not in str(refused.value) or not encoded
            assert refused.value.__cause__ is None

    @pytest.mark.parametrize("keys", [None, FOREIGN], ids=["no key", "another key"])
    def test_every_call_fails_cleanly_while_keys_are_missing(
        self, backend: Backend, ids: list[str], keys: object
    ) -> None:
        """Reading and saving are refused, counting and deleting are not; then all is as it was."""
        before = rows(backend)
        tokens = TokenRepository(backend, keys=keys)
        calls: dict[str, Callable[[TokenRepository], object]] = dict(reads(ALICE, ids[0]))
        for name, record in saves(ALICE, ids[0]).items():
            calls[name] = partial(TokenRepository.save, record=record)
        for name, call in calls.items():
            with pytest.raises(SealingError):
                call(tokens)
            assert rows(backend) == before, name
        assert tokens.count() == 2
        assert repr(tokens)
        with repository(backend, OLD) as again:
            assert secrets(again.get(ids[0]) or BOB) == secrets(ALICE)
            assert tokens.delete(ids[0]) is True
            assert again.get(ids[0]) is None
            assert tokens.clear() == 1
            assert rows(backend) == []

    def test_a_store_works_when_its_keys_are_there_again(self, backend: Backend, ids: list[str]) -> None:
        """Refusals leave nothing behind: the right ring reads and saves as if nothing had been."""
        for wrong in (None, FOREIGN):
            with pytest.raises(SealingError):
                TokenRepository(backend, keys=wrong).save(ALICE)
        tokens = repository(backend, OLD)
        saved = tokens.save(ALICE.changed(access_token="1000.renewed"))
        assert saved.id == ids[0]
        assert tokens.count() == 2
