"""One sealed row: whatever is done to its box, or put beside it, it is refused; nothing else is."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from tests.sealing.support import (
    ALICE,
    FOREIGN,
    NEW,
    OLD,
    SEALABLE_TEXTS,
    Sealer,
    all_secrets,
    box_of,
    replaced,
    secrets_of,
    with_secrets,
)
from tests.support.hostile import HOSTILE_TEXTS
from zoho_tokenstore import InvalidTokenError
from zoho_tokenstore.records import BOOKKEEPING, SECRET_COLUMNS, Row, row_from_record
from zoho_tokenstore.sealing import SealingKey
from zoho_tokenstore.sealing import _format as values
from zoho_tokenstore.testing._hostile import short_id

CLEAR_ROW = row_from_record(ALICE.changed(created_at_ms=1, updated_at_ms=2, identified_at_ms=3), "9000000001")
SEALING = Sealer(OLD, NEW)
SEALED_ROW = SEALING.seal(CLEAR_ROW)
BOX = box_of(SEALED_ROW)
HEADING = f"zts1.{OLD.id}."

KEYS = [OLD, NEW, FOREIGN]
OTHERS = SECRET_COLUMNS[1:]


def refuses(box: str | None, row: Row = SEALED_ROW) -> bool:
    """Tell whether a row is refused with this text in the place of its box; fail if it opens as another."""
    opened = SEALING.opened(row._replace(client_secret=box))
    assert opened is None or secrets_of(opened) == secrets_of(CLEAR_ROW), "it opens as another"
    return opened is None


def flipped(text: str, position: int, bit: int) -> str:
    return text[:position] + chr(ord(text[position]) ^ (1 << bit)) + text[position + 1 :]


def with_content(content: bytes) -> str:
    return HEADING + base64.b64encode(content).decode()


def content_of(sealed: str) -> bytes:
    return base64.b64decode(sealed[len(HEADING) :])


class TestForm:
    def test_the_form_is_the_documented_one(self) -> None:
        """One box in the column of the client secret: a mark with a version, the key's id, and base64."""
        assert re.fullmatch(r"zts1\.[0-9a-f]{8}\.[A-Za-z0-9+/]+", BOX)
        assert BOX.startswith(HEADING)
        assert secrets_of(SEALED_ROW) == (BOX, None, None, None)
        padding = len(content_of(BOX)) - len(values.content_of(CLEAR_ROW).encode()) - 28
        assert 1 <= padding <= 3

    def test_nothing_else_of_the_row_is_changed(self) -> None:
        """The published columns that are no secrets stay readable, and the times, which count no more."""
        again = with_secrets(SEALED_ROW, secrets_of(CLEAR_ROW))._replace(digests={})
        assert again == CLEAR_ROW._replace(digests={})
        assert sorted(SEALED_ROW.digests) == ["access_token", "grant_token", "refresh_token"]

    @pytest.mark.parametrize("length", range(12))
    def test_there_is_one_text_for_a_content(self, length: int) -> None:
        """Whatever the secrets' length, it is whole groups of three bytes: no `=`, no spare bits."""
        sealed = OLD.seal("x" * length, b".")
        assert "=" not in sealed
        assert len(content_of(sealed)) % 3 == 0
        assert OLD.unseal(sealed, b".") == "x" * length

    def test_a_typical_box_is_as_long_as_documented(self) -> None:
        """A client secret, a refresh and an access token as Zoho makes them, and three times."""
        row = CLEAR_ROW._replace(
            client_secret="c" * 42,
            refresh_token="r" * 70,
            access_token="a" * 70,
            grant_token=None,
            created_at_ms=1_700_000_000_001,
            updated_at_ms=1_700_000_000_002,
            identified_at_ms=1_700_000_000_003,
        )
        assert len(box_of(SEALING.seal(row))) == 358

    def test_the_lengths_of_single_secrets_do_not_show(self) -> None:
        """Two rows whose secrets are as long in total have boxes of one length."""
        one = CLEAR_ROW._replace(access_token="x" * 70, refresh_token="y" * 10)
        other = CLEAR_ROW._replace(access_token="x" * 10, refresh_token="y" * 70)
        assert len(box_of(SEALING.seal(one))) == len(box_of(SEALING.seal(other)))

    def test_a_sealed_row_of_this_release_opens(self) -> None:
        """A row, key id and digest as they were written by release 0.1 mean the same for ever."""
        key = SealingKey.from_text(PINNED["text"])
        assert key.id == PINNED["id"]
        assert Sealer(key).open(PINNED_SEALED) == PINNED_CLEAR
        assert key.digest("access_token", "1000.tøken") == PINNED["digest"]

    def test_it_is_still_sealed_in_that_form(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """With the same nonce the same row gives the same box."""
        monkeypatch.setattr(os, "urandom", lambda length: bytes(range(100, 100 + length)))
        sealed = Sealer(SealingKey.from_text(PINNED["text"])).seal(PINNED_CLEAR)
        assert sealed.client_secret == PINNED["box"]

    def test_another_implementation_opens_it(self) -> None:
        """AES-256-GCM, HKDF-SHA-256 and HMAC-SHA-256 as their standards have them, computed by hand."""
        material = bytes(range(32))
        extracted = hmac.digest(b"\0" * 32, material, "sha256")
        blocks, block = b"", b""
        for number in (1, 2, 3):
            block = hmac.digest(extracted, block + b"zoho-tokenstore sealing 1" + bytes([number]), "sha256")
            blocks += block
        place = b".10:90000000015:alice11:1000.ZYLKER23:https://www.zohoapis.eu0:13:4102444800000"
        heading = PINNED["box"][: len(HEADING)]
        content = content_of(PINNED["box"])
        opened = AESGCM(blocks[:32]).decrypt(content[:12], content[12:], heading.encode() + place)
        assert opened[: opened[0]] == bytes([opened[0], *[0] * (opened[0] - 1)])
        assert opened[opened[0] :].decode().split("\0") == [
            *("zylkers-sécret", "1000.refresh", "1000.tøken", ""),
            *("1700000000001", "1700000000002", "1700000000004", "1700000000003"),
        ]
        assert heading == f"zts1.{blocks[64:68].hex()}."
        mac = hmac.new(blocks[32:64], "access_token:1000.tøken".encode(), hashlib.sha256).digest()
        assert base64.b64encode(mac[:18]).decode() == PINNED["digest"]


PINNED = {
    "text": "ztk1_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
    "id": "49880006",
    "box": "zts1.49880006.ZGVmZ2hpamtsbW5vfKft09oNHAEZWXmtAS7Kqu042oKRZdO5YreMOvL0vqlZzbXadM/fTfWL"
    "NIHAF+J4MykjBxjFs8uJjA6Sp1MEEiMF2trSxfArcwU2/hig+7ePn8Q3QAgJl/VLm2BzbX5nZmM+D8k4m+g65xxtXJab8hzu",
    "digest": "Qa0Uz1QsxyZacBVcCmtgfguA",
}
PINNED_CLEAR = Row(
    id="9000000001",
    user_name="alice",
    client_id="1000.ZYLKER",
    client_secret="zylkers-sécret",
    refresh_token="1000.refresh",
    access_token="1000.tøken",
    expiry_time="4102444800000",
    api_domain="https://www.zohoapis.eu",
    created_at_ms=1_700_000_000_001,
    updated_at_ms=1_700_000_000_002,
    last_used_at_ms=1_700_000_000_004,
    identified_at_ms=1_700_000_000_003,
)
PINNED_SEALED = with_secrets(PINNED_CLEAR, (PINNED["box"], None, None, None))


class TestTampering:
    def test_it_opens_untouched(self) -> None:
        """The row that everything here is done to opens as long as nothing is done to it."""
        assert SEALING.open(SEALED_ROW) == CLEAR_ROW
        assert not refuses(BOX)

    def test_every_changed_bit_of_the_text_is_refused(self) -> None:
        """Each of the eight bits of each character."""
        survivors = [
            (position, bit)
            for position in range(len(BOX))
            for bit in range(8)
            if not refuses(flipped(BOX, position, bit))
        ]
        assert survivors == []

    def test_every_changed_bit_of_the_content_is_refused(self) -> None:
        """Each bit of nonce, ciphertext and tag, encoded again as it must be."""
        content = content_of(BOX)
        for bit in range(8 * len(content)):
            changed = bytearray(content)
            changed[bit // 8] ^= 1 << bit % 8
            assert refuses(with_content(bytes(changed))), bit

    @pytest.mark.parametrize("length", range(20, 23))
    def test_other_texts_of_the_same_content_are_refused(self, length: int) -> None:
        """Base64 that decoders read as the same bytes: with blanks, padding, and what they pass over."""
        row = SEALING.seal(Row("1", access_token="x" * length))
        encoded = box_of(row)[len(HEADING) :]
        passed_over = [" ", "\n", "\t", "\r", "-", "_", ".", "\0", "=", "==", "===", "====", "\n\n\n\n", "é"]
        others = {
            encoded[:at] + text + encoded[at:] for at in range(len(encoded) + 1) for text in passed_over
        }
        assert (
            sum(
                binascii.a2b_base64(text.replace("é", "")) == content_of(HEADING + encoded) for text in others
            )
            > 500
        )
        assert [text for text in others if not refuses(HEADING + text, row)] == []

    def test_the_other_alphabet_is_refused(self) -> None:
        """`-` and `_` for `+` and `/` is another text, though the same content to some decoders."""
        for _ in range(50):
            row = SEALING.seal(CLEAR_ROW)
            other = HEADING + box_of(row)[len(HEADING) :].translate(str.maketrans("+/", "-_"))
            assert other == box_of(row) or refuses(other, row)

    @pytest.mark.parametrize(
        "change",
        [
            lambda text: text.upper(),
            lambda text: text.lower(),
            lambda text: text[:5] + text[5:13].upper() + text[13:],
            lambda text: text.replace("zts1", "ZTS1"),
            lambda text: text.replace("zts1", "zts2"),
            lambda text: text.replace("zts1", "zts9"),
            lambda text: text.replace("zts1.", "zts01."),
            lambda text: text.replace("zts1.", "zts1.."),
            lambda text: text[5:],
            lambda text: text[14:],
            lambda text: " " + text,
            lambda text: "\ufeff" + text,
            lambda text: text + "\n",
            lambda text: text + "\0",
            lambda text: text + "\0" + text,
            lambda text: "\0" + text,
            lambda text: text[:13] + "\0" + text[13:],
            lambda text: text + text,
            lambda text: text[:14],
            lambda text: text[:14] + "====",
            lambda text: text.replace(".", "\uff0e"),
            lambda text: text.replace(OLD.id, NEW.id),
            lambda text: text.replace(OLD.id, "00000000"),
            lambda text: text.replace(OLD.id, "+0000000"),
            lambda text: text[:20] + "\ud800" + text[21:],
            lambda text: text + "\ud800",
        ],
    )
    def test_other_spellings_are_refused(self, change: Any) -> None:
        """Case, version, blanks, NUL, byte order mark, another key's id, and what is no Unicode."""
        assert change(BOX) != BOX
        assert refuses(change(BOX))

    def test_every_truncation_is_refused(self) -> None:
        """From the front and from the end, at every length."""
        cut = [BOX[:end] for end in range(len(BOX))] + [BOX[at:] for at in range(1, len(BOX))]
        assert [text for text in cut if not refuses(text)] == []
        content = content_of(BOX)
        assert all(refuses(with_content(content[:end])) for end in range(len(content)))
        assert all(refuses(with_content(content[at:])) for at in range(1, len(content)))

    @given(end=st.binary(min_size=1, max_size=40), text=st.text(min_size=1, max_size=10))
    def test_every_extension_is_refused(self, end: bytes, text: str) -> None:
        """Bytes behind the tag, and any text behind the end or before the beginning."""
        assert refuses(with_content(content_of(BOX) + end))
        assert refuses(BOX + text)
        assert refuses(text + BOX)

    @given(text=st.text(min_size=1))
    def test_what_was_never_sealed_is_refused(self, text: str) -> None:
        """Any text in the place of a box."""
        assert refuses(text)

    @given(content=st.binary(max_size=100), key=st.sampled_from(KEYS))
    def test_what_nobody_sealed_is_refused(self, content: bytes, key: SealingKey) -> None:
        """Any bytes in the form of a box."""
        assert refuses(f"zts1.{key.id}.{base64.b64encode(content).decode()}")

    @given(data=st.data())
    def test_random_changes_are_refused(self, data: st.DataObject) -> None:
        """Characters of any value changed, left out, doubled or exchanged."""
        row = SEALING.seal(all_secrets(CLEAR_ROW, data.draw(SEALABLE_TEXTS)))
        sealed = box_of(row)
        at, other = (data.draw(st.integers(0, len(sealed) - 1)) for _ in range(2))
        changed = data.draw(
            st.sampled_from(
                [
                    flipped(sealed, at, data.draw(st.integers(0, 7))),
                    sealed[:at] + sealed[at + 1 :],
                    sealed[:at] + sealed[at] + sealed[at:],
                    exchanged(sealed, at, other),
                    sealed[:at] + sealed[other:],
                ]
            )
        )
        if changed != sealed:
            assert SEALING.opened(row._replace(client_secret=changed)) is None


class TestRows:
    """What is done to a row rather than to its box."""

    @pytest.mark.parametrize("nothing", [None, ""])
    def test_a_row_without_its_box_is_refused(self, nothing: str | None) -> None:
        """That there are no secrets is sealed as well: no row without a box is ever one of ours."""
        assert refuses(nothing)
        empty = SEALING.seal(all_secrets(CLEAR_ROW, None))
        assert secrets_of(SEALING.open(empty)) == (None,) * 4
        assert SEALING.opened(empty._replace(client_secret=nothing)) is None
        assert SEALING.opened(Row("1", user_name="alice")) is None

    @pytest.mark.parametrize("column", OTHERS)
    @pytest.mark.parametrize("text", ["1000.planted", BOX, "x", "\0", "\ud800", f"zts1.{FOREIGN.id}.AAAA"])
    def test_nothing_stands_beside_a_box(self, column: str, text: str) -> None:
        """Neither a clear secret, nor a box, nor anything else in another secret column."""
        for cipher in (SEALING, Sealer(OLD, "clear")):
            assert cipher.opened(replaced(SEALED_ROW, **{column: text})) is None

    @pytest.mark.parametrize("column", OTHERS)
    @pytest.mark.parametrize("left", [None, "", "clear", BOX])
    def test_a_box_in_another_column_is_refused(self, column: str, left: str | None) -> None:
        """It opens in the column of the client secret alone, also where clear rows are accepted."""
        moved = replaced(SEALED_ROW, **{"client_secret": left, column: BOX})
        for cipher in (SEALING, Sealer(OLD, "clear")):
            assert cipher.opened(moved) is None

    @pytest.mark.parametrize("column", OTHERS)
    def test_an_empty_text_beside_a_box_is_none(self, column: str) -> None:
        """Some storages cannot tell it from a missing one."""
        assert SEALING.open(replaced(SEALED_ROW, **{column: ""})) == CLEAR_ROW

    @pytest.mark.parametrize(
        "column", ["created_at_ms", "updated_at_ms", "last_used_at_ms", "identified_at_ms"]
    )
    @pytest.mark.parametrize("value", [None, 0, -1, 7, 2**62])
    def test_times_are_those_of_the_box(self, column: str, value: int | None) -> None:
        """Which row is newest, how long a login lasts, who named its user: no stored column decides that."""
        assert SEALING.open(replaced(SEALED_ROW, **{column: value})) == CLEAR_ROW

    def test_an_older_version_of_the_row_opens(self) -> None:
        """A limit: what was sealed in this place before opens there again. Nothing tells a backup."""
        older = SEALING.seal(CLEAR_ROW._replace(access_token="1000.older", expiry_time="5"))
        assert SEALING.open(older).access_token == "1000.older"

    def test_only_as_a_whole(self) -> None:
        """The older box with the newer expiry is refused, and the other way round."""
        older = SEALING.seal(CLEAR_ROW._replace(access_token="1000.older", expiry_time="5"))
        assert refuses(older.client_secret)
        assert SEALING.opened(older._replace(client_secret=BOX)) is None


class TestKeyMixUps:
    @pytest.mark.parametrize("key", KEYS)
    @pytest.mark.parametrize("claimed", KEYS)
    def test_every_key_mix_up_is_refused(self, key: SealingKey, claimed: SealingKey) -> None:
        """What one key sealed opens with that key alone, under its own id alone, in any ring."""
        row = Sealer(key).seal(CLEAR_ROW)
        relabelled = row._replace(client_secret=box_of(row).replace(key.id, claimed.id))
        for ring in ([key], [claimed], [OLD, NEW], KEYS, KEYS[::-1]):
            cipher = Sealer(*ring)
            if key is claimed and key in ring:
                assert cipher.open(relabelled) == CLEAR_ROW
            else:
                assert cipher.opened(relabelled) is None

    def test_the_id_of_a_key_is_no_part_of_it(self) -> None:
        """Neither the id nor a digest shows bytes of the key, or is what another label would give."""
        key = SealingKey(bytes(range(32)))
        shown = key.id + key.digest("access_token", "x")
        assert not any(bytes(range(at, at + 4)).hex() in shown for at in range(28))
        assert key.digest("access_token", "x") != key.digest("refresh_token", "x")
        assert key.digest("access_token", "x") != OLD.digest("access_token", "x")


class TestRoundTrip:
    @pytest.mark.parametrize("name", [name for name, text in HOSTILE_TEXTS.items() if "\0" not in text])
    def test_hostile_texts_come_back(self, name: str) -> None:
        """Every hostile text, as every secret and as every part of the place."""
        text = HOSTILE_TEXTS[name]
        row = Row(short_id(text), user_name=text, client_id=text, api_domain=text, redirect_url=text)
        row = all_secrets(row, text)
        assert SEALING.open(SEALING.seal(row)) == row

    @given(
        secrets=st.lists(st.none() | SEALABLE_TEXTS, min_size=4, max_size=4),
        times=st.lists(st.none() | st.integers(-(2**63), 2**63), min_size=4, max_size=4),
    )
    def test_arbitrary_texts_come_back(self, secrets: list[str | None], times: list[int | None]) -> None:
        """Any valid texts and times, in their own columns; what is missing stays missing."""
        row = with_secrets(CLEAR_ROW, tuple(secrets))
        row = replaced(row, **dict(zip(BOOKKEEPING, times, strict=True)))
        sealed = SEALING.seal(row)
        assert SEALING.open(sealed) == row
        assert secrets_of(sealed)[1:] == (None, None, None)

    @given(value=SEALABLE_TEXTS)
    def test_a_box_can_be_sealed(self, value: str) -> None:
        """A secret that has the form of a box is a secret like any other."""
        inner = OLD.seal(value, b".")
        row = all_secrets(CLEAR_ROW, inner)
        assert secrets_of(SEALING.open(SEALING.seal(row))) == (inner,) * 4

    @pytest.mark.parametrize("column", SECRET_COLUMNS)
    @pytest.mark.parametrize("text", ["a\0b", "\0", "1000.x\0", "a\ud800", "é\udfff"])
    def test_what_cannot_be_told_apart_is_not_sealed(self, column: str, text: str) -> None:
        """A NUL would shift secrets into other columns; it is refused, and not shown."""
        with pytest.raises(InvalidTokenError, match="'9000000001'") as refused:
            SEALING.seal(replaced(CLEAR_ROW, **{column: text}))
        assert text not in str(refused.value)
        assert refused.value.__context__ is None


class TestClearAmongTheKeys:
    """While a store is converted, ``"clear"`` stands in the ring."""

    LENIENT = Sealer(OLD, "clear")

    def test_a_clear_row_is_read(self) -> None:
        """One in which nothing has the form of a box is a row as it stands."""
        assert self.LENIENT.open(CLEAR_ROW) == CLEAR_ROW

    @pytest.mark.parametrize("end", ["", ".", "0.", "x" * 40])
    def test_a_clear_secret_may_look_like_a_key_id(self, end: str) -> None:
        """Zoho's tokens have eight hexadecimal digits where a box names its key."""
        token = f"1000.{OLD.id}{end}"
        assert self.LENIENT.open(CLEAR_ROW._replace(access_token=token)).access_token == token

    def test_what_has_the_form_must_open(self) -> None:
        """A changed box does not pass for a clear secret as long as it has the form."""
        for position in range(14, len(BOX)):
            for bit in range(7):
                changed = SEALED_ROW._replace(client_secret=flipped(BOX, position, bit))
                assert self.LENIENT.opened(changed) is None

    def test_one_without_the_form_brings_no_token(self) -> None:
        """A limit: a box without its mark is a clear client secret, of a row that has no tokens."""
        opened = self.LENIENT.open(SEALED_ROW._replace(client_secret=BOX.upper()))
        assert secrets_of(opened)[1:] == (None, None, None)

    def test_whoever_writes_rows_can_plant_clear_ones_meanwhile(self) -> None:
        """A limit, and why ``"clear"`` is for the time of a conversion: such a row passes for one to seal."""
        planted = with_secrets(SEALED_ROW, (None, None, "1000.planted", None))
        assert self.LENIENT.open(planted).access_token == "1000.planted"


def exchanged(text: str, one: int, other: int) -> str:
    characters = list(text)
    characters[one], characters[other] = characters[other], characters[one]
    return "".join(characters)
