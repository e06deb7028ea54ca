"""What keeps secrets from whoever holds the storage: HashiCorp Vault's list of barrier tests, and more."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.sealing.support import (
    ALICE,
    BOB,
    CLIENT,
    FOREIGN,
    NEW,
    OLD,
    USERS,
    box_of,
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
from tests.unit.renewal.support import ORIGIN, Running, Zoho, renewer, wait_until
from zoho_tokenstore import ConfigurationError, Keyset, SealingError, TokenRecord, TokenRepository
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.records import LOOKUPS, SECRET_COLUMNS
from zoho_tokenstore.sealing import _format as values

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
        assert tokens.leases.replace("name", "", "text", 1000)
        image = bytes_of(backend, tmp_path)
        assert ALICE.user_name is not None
        assert ALICE.user_name.encode() in image  # the image is one
        known = {text for user in (*USERS, *later) for text in secrets(user)} | {renewed or ""}
        assert [text for text in known for form in forms(text) if form in image] == []

    def test_a_login_under_a_lease_tells_no_secret(self, backend: Backend, tmp_path: Path) -> None:
        """Neither the name of a lease nor what stands beside it tells the credential that it stands for."""
        zoho = Zoho()
        zoho.granted = {"access_token": ALICE.access_token, "refresh_token": ALICE.refresh_token}
        zoho.gate.clear()
        process = renewer(repository(backend, OLD), zoho)
        query = TokenRecord(grant_token=ALICE.grant_token, user_name=ALICE.user_name, **CLIENT)
        login = Running(lambda: process.find(query, lambda: ORIGIN))
        wait_until(lambda: zoho.sent == 1)
        images = [bytes_of(backend, tmp_path)]  # the lease is taken
        zoho.gate.set()
        assert login.result().refresh_token == ALICE.refresh_token
        images.append(bytes_of(backend, tmp_path))
        process.close()
        images.append(bytes_of(backend, tmp_path))
        for image in images:
            assert [text for text in secrets(ALICE) for form in forms(text) if form in image] == []

    def test_equal_secrets_have_different_boxes(self, backend: Backend, ids: list[str]) -> None:
        """One user's secrets saved twice, and two users' client secret: never one box."""
        same = login("same", **dict.fromkeys(LOOKUPS[1:], "1000.one"), client_secret="1000.one")
        row = stored(backend, repository(backend, OLD).save(same).id)
        boxes = [box_of(stored(backend, row_id)) for row_id in (*ids, row.id)]
        assert len(set(boxes)) == 3
        assert not {box[14:40] for box in boxes[1:]} & {boxes[0][14:40]}
        repository(backend, OLD).delete(row.id)
        again = stored(backend, repository(backend, OLD).save(same).id)
        assert box_of(again) not in boxes
        assert again.digests == row.digests  # they must be found

    def test_every_save_seals_the_row_anew(self, backend: Backend, ids: list[str]) -> None:
        """Also one that changes nothing but the expiry: the box is that of the whole row."""
        before = stored(backend, ids[0])
        repository(backend, OLD).save(TokenRecord(id=ids[0], access_token=ALICE.access_token))
        after = stored(backend, ids[0])
        assert box_of(before) != box_of(after)
        assert before.digests == after.digests

    def test_a_row_is_sealed_anew_when_its_owner_is_told_more_of(self, backend: Backend) -> None:
        """A save that adds a name or a domain moves the row to another place: it opens there."""
        tokens = repository(backend, OLD)
        saved = tokens.save(ALICE.changed(user_name=None, api_domain=None))
        for more in ({"user_name": ALICE.user_name}, {"api_domain": ALICE.api_domain}):
            saved = tokens.save(saved.changed(**more, access_token=f"1000.{len(more)}"))
            assert repository(backend, OLD).get(saved.id or "") == saved

    def test_every_nonce_is_new(self) -> None:
        """Of 20,000 boxes of one content no two begin with the same 96 bits."""
        nonces = {OLD.seal("x", b".")[14:30] for _ in range(20_000)}
        assert len(nonces) == 20_000


class TestIntegrity:
    def test_one_changed_byte_is_refused(self, backend: Backend, ids: list[str]) -> None:
        """At every twentieth position of a stored box, by every store; see test_values for all of them."""
        sealed = box_of(stored(backend, ids[0]))
        for position in range(0, len(sealed), 20):
            other = "A" if sealed[position] != "A" else "B"
            change(backend, ids[0], client_secret=sealed[:position] + other + sealed[position + 1 :])
            with pytest.raises(SealingError, match=ids[0]):
                repository(backend, OLD).get(ids[0])
        change(backend, ids[0], client_secret=sealed)
        assert repository(backend, OLD).get(ids[0])

    @pytest.mark.parametrize(
        "column", ["user_name", "client_id", "api_domain", "redirect_url", "expiry_time"]
    )
    def test_a_row_of_which_something_was_changed_is_refused(
        self, backend: Backend, ids: list[str], column: str
    ) -> None:
        """Whoever writes his own name, client, domain, URL or a later expiry beside somebody's box."""
        others = () if column == "redirect_url" else ("", None)  # a self client has none
        for planted in ("mallory", "4102444800001", *others):
            change(backend, ids[0], **{column: planted})
            for call in ("get", "find by id"):
                with pytest.raises(SealingError):
                    reads(ALICE, ids[0])[call](repository(backend, OLD))
            found = repository(backend, OLD).scan()
            assert [record.id for record in found] == [ids[1]]
            assert [row.id for row in found.unreadable] == [ids[0]]

    @pytest.mark.parametrize("column", ["created_at_ms", "updated_at_ms", "identified_at_ms"])
    def test_times_come_from_the_box(self, backend: Backend, ids: list[str], column: str) -> None:
        """Another time in a stored column changes nothing: neither which row is newest, nor whose it is."""
        before = repository(backend, OLD).get(ids[0])
        for planted in (None, 0, 2**52):
            change(backend, ids[0], **{column: planted})
            assert repository(backend, OLD).get(ids[0]) == before

    def test_a_row_moved_to_another_id_is_refused(self, backend: Backend, ids: list[str]) -> None:
        """A row copied under another id does not open there; the first one still does, by all its keys."""
        row = stored(backend, ids[0])
        backend.write(row._replace(id="1"), expect=None)
        tokens = repository(backend, OLD)
        with pytest.raises(SealingError, match="'1'"):
            tokens.get("1")
        for query in queries(ALICE).values():
            found = tokens.find(query)
            assert found is not None
            assert found.id == ids[0]

    def test_a_box_moved_to_another_row_is_refused(self, backend: Backend, ids: list[str]) -> None:
        """Alice's box with its digests in Bob's row: Bob's is refused, Alice's opens."""
        alice, bob = stored(backend, ids[0]), stored(backend, ids[1])
        backend.write(bob._replace(client_secret=alice.client_secret, digests=alice.digests), expect=bob.etag)
        tokens = repository(backend, OLD)
        with pytest.raises(SealingError, match=ids[1]):
            tokens.get(ids[1])
        found = tokens.find(TokenRecord(access_token=ALICE.access_token))
        assert found is not None
        assert found.id == ids[0]

    @pytest.mark.parametrize("column", SECRET_COLUMNS[1:])
    def test_a_box_moved_to_another_column_is_refused(
        self, backend: Backend, ids: list[str], column: str
    ) -> None:
        """It belongs into the column of the client secret."""
        box = box_of(stored(backend, ids[0]))
        for columns in ({"client_secret": None, column: box}, {"client_secret": box, column: box}):
            change(backend, ids[0], **columns)
            with pytest.raises(SealingError):
                repository(backend, OLD).get(ids[0])

    @pytest.mark.parametrize("column", SECRET_COLUMNS)
    def test_a_clear_secret_is_refused(self, backend: Backend, ids: list[str], column: str) -> None:
        """Whoever can write rows cannot plant a token of his own in clear, beside the box or in its place."""
        change(backend, ids[0], **{column: "1000.planted"})
        for call in ("get", "find by user_name"):
            with pytest.raises(SealingError):
                reads(ALICE, ids[0])[call](repository(backend, OLD))
        assert [record.id for record in repository(backend, OLD).scan()] == [ids[1]]

    def test_an_older_version_of_a_row_opens(self, backend: Backend, ids: list[str]) -> None:
        """A limit: what was sealed in a place before opens there again. Nothing tells a restored backup."""
        before = stored(backend, ids[0])
        repository(backend, OLD).save(
            TokenRecord(id=ids[0], access_token="1000.renewed", expires_at_ms=4_102_444_800_001)
        )
        now = stored(backend, ids[0])
        backend.write(now._replace(client_secret=before.client_secret), expect=now.etag)
        with pytest.raises(SealingError):
            repository(backend, OLD).get(ids[0])
        backend.write(before, expect=stored(backend, ids[0]).etag)
        found = repository(backend, OLD).get(ids[0])
        assert found is not None
        assert found.access_token == ALICE.access_token

    def test_a_row_without_its_box_is_refused(self, backend: Backend, ids: list[str]) -> None:
        """Nobody can empty a row, and have the next login of its user sealed into it."""
        change(backend, ids[0], client_secret=None, digests={})
        with pytest.raises(SealingError):
            repository(backend, OLD).get(ids[0])


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
        assert values.key_id_of(box_of(row)) == NEW.id
        assert values.key_id_of(box_of(other)) == OLD.id
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
                Keyset(given)
            assert "QxQ" not in str(refused.value)
            assert encoded[:4] not in str(refused.value) or not encoded
            assert refused.value.__cause__ is None

    @pytest.mark.parametrize("keys", [None, FOREIGN], ids=["no key", "another key"])
    def test_every_call_fails_cleanly_while_keys_are_missing(
        self, backend: Backend, ids: list[str], keys: Any
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
