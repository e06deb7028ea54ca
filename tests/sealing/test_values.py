"""One sealed value: whatever is done to its text, it is refused; nothing else is."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from tests.sealing.support import ALICE, FOREIGN, NEW, OLD, Box, all_secrets, replaced
from tests.support.hostile import HOSTILE_TEXTS, TEXTS
from zoho_tokenstore.crypto import values
from zoho_tokenstore.crypto.keys import Key
from zoho_tokenstore.crypto.sealing import secrets_of, with_secrets
from zoho_tokenstore.records import SECRET_COLUMNS, Row, row_from_record

CLEAR_ROW = row_from_record(ALICE, "9000000001")
SEALING = Box(OLD, NEW)
SEALED_ROW = SEALING.seal(CLEAR_ROW)
HEADING = f"zts1.{OLD.id}."

KEYS = [OLD, NEW, FOREIGN]
COLUMNS = st.sampled_from(SECRET_COLUMNS)


def refuses(text: str, column: str = "access_token", row: Row = SEALED_ROW) -> bool:
    """Tell whether a row is refused with this text in a column; fail if it opens as something else."""
    opened = SEALING.opened(replaced(row, **{column: text}))
    assert opened is None or getattr(opened, column) == getattr(CLEAR_ROW, column), "it opens as another"
    return opened is None


def flipped(text: str, position: int, bit: int) -> str:
    return text[:position] + chr(ord(text[position]) ^ (1 << bit)) + text[position + 1 :]


def with_content(sealed: str, content: bytes) -> str:
    return sealed[: len(HEADING)] + base64.b64encode(content).decode()


def content_of(sealed: str) -> bytes:
    return base64.b64decode(sealed[len(HEADING) :])


class TestForm:
    def test_the_form_is_the_documented_one(self) -> None:
        """A mark with a version, the key's id, and base64 of nonce, padding with the secret, and tag."""
        for column, text in zip(SECRET_COLUMNS, secrets_of(SEALED_ROW), strict=True):
            assert text is not None
            assert re.fullmatch(r"zts1\.[0-9a-f]{8}\.[A-Za-z0-9+/]+", text)
            assert text.startswith(HEADING)
            padding = len(content_of(text)) - len(getattr(CLEAR_ROW, column)) - 28
            assert 1 <= padding <= 3

    @pytest.mark.parametrize("length", range(12))
    def test_there_is_one_text_for_a_content(self, length: int) -> None:
        """Whatever a secret's length, the content is whole groups of three bytes: no `=`, no spare bits."""
        sealed = OLD.seal("x" * length, "access_token", b".")
        assert "=" not in sealed
        assert len(content_of(sealed)) % 3 == 0
        assert OLD.unseal(sealed, "access_token", b".") == "x" * length

    def test_sealed_values_of_this_release_open(self) -> None:
        """Values, key ids and digests as they were written by release 0.1 mean the same for ever."""
        key = Key(bytes(range(32)))
        row = Row("9000000001", user_name="alice", client_id="1000.ZYLKER", api_domain=None)
        assert key.id == PINNED["id"]
        assert key.unseal(PINNED["sealed"], "access_token", values.place_of(row)) == "1000.tøken"
        assert key.digest("access_token", "1000.tøken") == PINNED["digest"]
        assert Key.from_text(PINNED["text"]).id == key.id

    def test_another_implementation_opens_them(self) -> None:
        """AES-256-GCM, HKDF-SHA-256 and HMAC-SHA-256 as their standards have them, computed by hand."""
        material = bytes(range(32))
        extracted = hmac.digest(b"\0" * 32, material, "sha256")
        blocks, block = b"", b""
        for number in (1, 2, 3):
            block = hmac.digest(extracted, block + b"zoho-tokenstore sealing 1" + bytes([number]), "sha256")
            blocks += block
        place = b".10:90000000015:alice11:1000.ZYLKER0:"
        heading = PINNED["sealed"][: len(HEADING)]
        content = content_of(PINNED["sealed"])
        associated = heading.encode() + b"access_token" + place
        opened = AESGCM(blocks[:32]).decrypt(content[:12], content[12:], associated)
        assert opened[: opened[0]] == bytes([opened[0], *[0] * (opened[0] - 1)])
        assert opened[opened[0] :].decode() == "1000.tøken"
        assert heading == f"zts1.{blocks[64:68].hex()}."
        mac = hmac.new(blocks[32:64], "access_token:1000.tøken".encode(), hashlib.sha256).digest()
        assert base64.b64encode(mac[:18]).decode() == PINNED["digest"]


PINNED = {
    "text": "ztk1_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
    "id": "49880006",
    "sealed": "zts1.49880006.XBVJF5ALxdyjbxQCAm18glNrYHlgU1sOo+qYmIovpvGR991U+O8OGjWr",
    "digest": "Qa0Uz1QsxyZacBVcCmtgfguA",
}


class TestTampering:
    def test_it_opens_untouched(self) -> None:
        """The row that everything here is done to opens as long as nothing is done to it."""
        assert SEALING.open(SEALED_ROW) == CLEAR_ROW
        assert not refuses(SEALED_ROW.access_token or "")

    @pytest.mark.parametrize("column", SECRET_COLUMNS)
    def test_every_changed_bit_of_the_text_is_refused(self, column: str) -> None:
        """Each of the eight bits of each character, in each column."""
        sealed = getattr(SEALED_ROW, column)
        survivors = [
            (position, bit)
            for position in range(len(sealed))
            for bit in range(8)
            if not refuses(flipped(sealed, position, bit), column)
        ]
        assert survivors == []

    def test_every_changed_bit_of_the_content_is_refused(self) -> None:
        """Each bit of nonce, ciphertext and tag, encoded again as it must be."""
        sealed = SEALED_ROW.access_token or ""
        content = content_of(sealed)
        for bit in range(8 * len(content)):
            changed = bytearray(content)
            changed[bit // 8] ^= 1 << bit % 8
            assert refuses(with_content(sealed, bytes(changed))), bit

    @pytest.mark.parametrize("length", range(20, 23))
    def test_other_texts_of_the_same_content_are_refused(self, length: int) -> None:
        """Base64 that decoders read as the same bytes: with blanks, padding, and what they pass over."""
        row = SEALING.seal(all_secrets(CLEAR_ROW, "x" * length))
        encoded = (row.access_token or "")[len(HEADING) :]
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
        assert [text for text in others if not refuses(HEADING + text, row=row)] == []

    def test_the_other_alphabet_is_refused(self) -> None:
        """`-` and `_` for `+` and `/` is another text, though the same content to some decoders."""
        for _ in range(50):
            sealed = SEALING.seal(CLEAR_ROW).access_token or ""
            other = HEADING + sealed[len(HEADING) :].translate(str.maketrans("+/", "-_"))
            assert other == sealed or refuses(other)

    @pytest.mark.parametrize(
        "change",
        [
            lambda text: text.upper(),
            lambda text: text.lower(),
            lambda text: text[:5] + text[5:13].upper() + text[13:],
            lambda text: text.replace("zts1", "ZTS1"),
            lambda text: text.replace("zts1", "zts2"),
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
        sealed = SEALED_ROW.access_token or ""
        assert change(sealed) != sealed
        assert refuses(change(sealed))

    @pytest.mark.parametrize("column", SECRET_COLUMNS)
    def test_every_truncation_is_refused(self, column: str) -> None:
        """From the front and from the end, at every length but none."""
        sealed = getattr(SEALED_ROW, column)
        cut = [sealed[:end] for end in range(1, len(sealed))] + [sealed[at:] for at in range(1, len(sealed))]
        assert [text for text in cut if not refuses(text, column)] == []
        content = content_of(sealed)
        assert all(refuses(with_content(sealed, content[:end]), column) for end in range(len(content)))
        assert all(refuses(with_content(sealed, content[at:]), column) for at in range(1, len(content)))

    @given(end=st.binary(min_size=1, max_size=40), text=st.text(min_size=1, max_size=10))
    def test_every_extension_is_refused(self, end: bytes, text: str) -> None:
        """Bytes behind the tag, and any text behind the end or before the beginning."""
        sealed = SEALED_ROW.access_token or ""
        assert refuses(with_content(sealed, content_of(sealed) + end))
        assert refuses(sealed + text)
        assert refuses(text + sealed)

    @given(text=st.text(min_size=1), column=COLUMNS)
    def test_what_was_never_sealed_is_refused(self, text: str, column: str) -> None:
        """Any text in a secret column of a sealed store."""
        assert refuses(text, column)

    @given(content=st.binary(max_size=100), key=st.sampled_from(KEYS), column=COLUMNS)
    def test_what_nobody_sealed_is_refused(self, content: bytes, key: Key, column: str) -> None:
        """Any bytes in the form of a sealed value."""
        assert refuses(f"zts1.{key.id}.{base64.b64encode(content).decode()}", column)

    @given(data=st.data())
    def test_random_changes_are_refused(self, data: st.DataObject) -> None:
        """Characters of any value changed, left out, doubled or exchanged."""
        value = data.draw(TEXTS)
        row = SEALING.seal(all_secrets(CLEAR_ROW, value))
        sealed = row.refresh_token or ""
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
            assert SEALING.opened(row._replace(refresh_token=changed)) is None


class TestKeyMixUps:
    @pytest.mark.parametrize("key", KEYS)
    @pytest.mark.parametrize("claimed", KEYS)
    def test_every_key_mix_up_is_refused(self, key: Key, claimed: Key) -> None:
        """What one key sealed opens with that key alone, under its own id alone, in any ring."""
        row = Box(key).seal(CLEAR_ROW)
        relabelled = with_secrets(
            row, tuple((text or "").replace(key.id, claimed.id) for text in secrets_of(row))
        )
        for ring in ([key], [claimed], [OLD, NEW], KEYS, KEYS[::-1]):
            sealing = Box(*ring)
            if key is claimed and key in ring:
                assert sealing.open(relabelled) == CLEAR_ROW
            else:
                assert sealing.opened(relabelled) is None

    def test_the_id_of_a_key_is_no_part_of_it(self) -> None:
        """Neither the id nor a digest shows bytes of the key, or is what another label would give."""
        key = Key(bytes(range(32)))
        shown = key.id + key.digest("access_token", "x")
        assert not any(bytes(range(at, at + 4)).hex() in shown for at in range(28))
        assert key.digest("access_token", "x") != key.digest("refresh_token", "x")
        assert key.digest("access_token", "x") != OLD.digest("access_token", "x")


class TestRoundTrip:
    @pytest.mark.parametrize("name", HOSTILE_TEXTS)
    def test_hostile_texts_come_back(self, name: str) -> None:
        """Every hostile text, as every secret and as every part of the place."""
        text = HOSTILE_TEXTS[name]
        row = Row(text, user_name=text, client_id=text, api_domain=text)
        row = with_secrets(row, (text,) * len(SECRET_COLUMNS))
        assert SEALING.open(SEALING.seal(row)) == row

    @given(secrets=st.lists(st.none() | TEXTS, min_size=4, max_size=4))
    def test_arbitrary_texts_come_back(self, secrets: list[str | None]) -> None:
        """Any valid texts; what is missing stays missing."""
        row = with_secrets(CLEAR_ROW, tuple(secrets))
        sealed = SEALING.seal(row)
        assert SEALING.open(sealed) == row
        assert [text is None for text in secrets_of(sealed)] == [text is None for text in secrets]
        assert not set(secrets_of(sealed)) & {text for text in secrets if text}

    @given(value=TEXTS | st.just(""))
    def test_a_sealed_value_can_be_sealed(self, value: str) -> None:
        """A secret that has the form of a sealed value is a secret like any other."""
        inner = OLD.seal(value, "access_token", b".")
        row = all_secrets(CLEAR_ROW, inner)
        assert secrets_of(SEALING.open(SEALING.seal(row))) == (inner,) * 4


class TestClearAmongTheKeys:
    """While a store is converted, ``"clear"`` stands in the ring."""

    LENIENT = Box(OLD, "clear")

    def test_a_clear_secret_is_read(self) -> None:
        """What has not the form of a sealed value is a secret as it stands."""
        opened = self.LENIENT.open(CLEAR_ROW)
        assert opened == CLEAR_ROW

    @pytest.mark.parametrize("end", ["", ".", "0.", "x" * 40])
    def test_a_clear_secret_may_look_like_a_key_id(self, end: str) -> None:
        """Zoho's tokens have eight hexadecimal digits where a sealed value names its key."""
        token = f"1000.{OLD.id}{end}"
        assert self.LENIENT.open(CLEAR_ROW._replace(access_token=token)).access_token == token

    def test_what_has_the_form_must_open(self) -> None:
        """A changed value does not pass for a clear one as long as it has the form."""
        sealed = SEALED_ROW.access_token or ""
        for position in range(14, len(sealed)):
            for bit in range(7):
                changed = SEALED_ROW._replace(access_token=flipped(sealed, position, bit))
                assert self.LENIENT.opened(changed) is None

    def test_whoever_writes_rows_can_plant_clear_secrets_meanwhile(self) -> None:
        """A limit, and why ``"clear"`` is for the time of a conversion: such a text passes for a secret."""
        planted = SEALED_ROW._replace(access_token="1000.planted")
        assert self.LENIENT.open(planted).access_token == "1000.planted"


def exchanged(text: str, one: int, other: int) -> str:
    characters = list(text)
    characters[one], characters[other] = characters[other], characters[one]
    return "".join(characters)
