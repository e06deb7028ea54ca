"""A ring of keys: what it is made of, in which order, and what is no ring."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sealing.support import FOREIGN, NEW, OLD
from zoho_tokenstore import ConfigurationError, Keyset, TokenRepository
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.sealing import SealingKey

KEYS = {"old": OLD, "new": NEW, "foreign": FOREIGN}
TEXTS = {name: key.to_text() for name, key in KEYS.items()}


class TestOrder:
    @given(st.permutations([OLD, NEW, FOREIGN, "clear"]))
    def test_the_first_is_the_newest(self, keys: list[Any]) -> None:
        """The order is kept; the first one seals, and is `None` for "clear"; clear is accepted anywhere."""
        ring = Keyset(keys)
        assert ring.ids == tuple(key if key == "clear" else key.id for key in keys)
        assert ring.current.newest is (None if keys[0] == "clear" else keys[0])
        assert ring.current.accepts_clear

    def test_without_clear_none_is_accepted(self) -> None:
        """A ring of keys alone is strict."""
        assert not Keyset([NEW, OLD]).current.accepts_clear

    def test_accepting_clear_keeps_the_keys(self) -> None:
        """Clear is put behind them; a ring that accepts it is itself."""
        ring = Keyset([NEW, OLD])
        assert ring.accepting_clear().ids == (NEW.id, OLD.id, "clear")
        assert ring.ids == (NEW.id, OLD.id)
        lenient = Keyset(["clear", OLD])
        assert lenient.accepting_clear() is lenient


class TestForms:
    @pytest.mark.parametrize(
        "text",
        [
            "{new} {old}",
            "{new},{old}",
            "{new}, {old}",
            "{new}\n{old}",
            "{new}\r\n{old}\r\n",
            "\n\n  {new}\t{old}  \n",
            "# the keys of the portal\n{new} # since May\n{old}\n# {foreign}",
            "#{foreign}\n{new},#{foreign}\n{old},",
            ",,{new},,{old},,",
            "{new}\x0b{old}\x0c",
            "{new}\u2003{old}\u00a0",
        ],
    )
    def test_keys_of_a_text(self, text: str) -> None:
        """Blanks, commas and line ends of any system stand between keys; a remark goes to its line's end."""
        assert Keyset.from_text(text.format(**TEXTS)).ids == (NEW.id, OLD.id)
        assert Keyset.of(text.format(**TEXTS)).ids == (NEW.id, OLD.id)

    @pytest.mark.parametrize(
        "given_",
        [
            [NEW, OLD],
            (NEW, OLD),
            iter([NEW, OLD]),
            (key for key in (NEW, OLD)),
            {NEW: 1, OLD: 2},
            [NEW._material, OLD._material],
            [TEXTS["new"], OLD._material],
            [NEW, TEXTS["old"]],
        ],
        ids=[
            "list",
            "tuple",
            "iterator",
            "generator",
            "dict",
            "bytes",
            "text and bytes",
            "key and text",
        ],
    )
    def test_keys_one_by_one(self, given_: Any) -> None:
        """Objects, bytes and texts may stand beside each other in anything that can be gone through."""
        assert Keyset.of(given_).ids == (NEW.id, OLD.id)

    @pytest.mark.parametrize("given_", [OLD, OLD._material, TEXTS["old"]], ids=["key", "bytes", "text"])
    def test_one_key_alone(self, given_: Any) -> None:
        """Without a list around it."""
        assert Keyset.of(given_).ids == Keyset(given_).ids == (OLD.id,)

    def test_a_ring_is_taken_as_it_is(self) -> None:
        """Stores may share one."""
        ring = Keyset([OLD])
        assert Keyset.of(ring) is ring

    def test_a_text_comes_back(self) -> None:
        """What `to_text` gives is the same ring, a line for each key."""
        orders: list[list[Any]] = [[OLD], [NEW, OLD], ["clear", OLD], [OLD, "clear", NEW]]
        for keys in orders:
            ring = Keyset(keys)
            assert Keyset.from_text(ring.to_text()).ids == ring.ids
            assert len(ring.to_text().splitlines()) == len(keys)

    @given(st.binary(min_size=32, max_size=32))
    def test_every_key_has_one_text(self, material: bytes) -> None:
        """The text of a key is that key again, of 48 characters that no separator is among."""
        key = SealingKey(material)
        text = key.to_text()
        assert len(text) == 48
        assert not set(text) & set(" ,#\n=+/")
        assert SealingKey.from_text(text).id == key.id
        assert Keyset([material]).ids == Keyset.from_text(text).ids

    def test_generated_keys_are_new(self) -> None:
        """Each time another one, all of it random."""
        made = {Keyset.generate().to_text() for _ in range(100)}
        assert len(made) == 100
        materials = [base64.urlsafe_b64decode(text.strip()[5:] + "=") for text in made]
        assert all(len(set(column)) > 30 for column in zip(*materials, strict=True))

    def test_named_places(self, tmp_path: Path) -> None:
        """`file:` reads a file, and anything else is the keys themselves."""
        file = tmp_path / "keys"
        file.write_text(TEXTS["old"])
        file.chmod(0o600)
        assert Keyset.named(f"file:{file}").ids == Keyset.named(f"  file:{file}\n").ids == (OLD.id,)
        assert Keyset.of(f"file:{file}").ids == (OLD.id,)
        assert Keyset.named(TEXTS["old"]).ids == (OLD.id,)
        with pytest.raises(ConfigurationError, match="cannot be read"):
            Keyset.named("file:")

    def test_the_environment(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """The variable holds keys or names their place; another one can be named."""
        file = tmp_path / "keys"
        file.write_text(TEXTS["new"])
        file.chmod(0o600)
        monkeypatch.setenv("ZOHO_TOKENSTORE_KEYS", f"{TEXTS['new']},{TEXTS['old']}")
        monkeypatch.setenv("PORTAL_KEYS", f"file:{file}")
        assert Keyset.from_environment().ids == (NEW.id, OLD.id)
        assert Keyset.from_environment("PORTAL_KEYS").ids == (NEW.id,)

    def test_a_store_takes_the_environments_keys(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without `keys=` they seal; with it, they do not count."""
        backend = ListBackend()
        monkeypatch.setenv("ZOHO_TOKENSTORE_KEYS", TEXTS["old"])
        assert "old" not in repr(TokenRepository(backend).cipher)
        assert TokenRepository(backend).cipher.keys.ids == (OLD.id,)  # type: ignore[attr-defined]
        assert TokenRepository(backend, keys=[NEW]).cipher.keys.ids == (NEW.id,)  # type: ignore[attr-defined]


EMPTY: dict[str, Any] = {
    "empty text": "",
    "blank": "  \n ",
    "comma": ",",
    "remark": "# nothing",
    "empty list": [],
    "empty bytes": b"",
    "clear alone": "clear",
    "clear in a list": ["clear"],
    "empty generator": iter(()),
}

NO_KEYS: dict[str, Any] = {
    "number": 5,
    "zero": 0,
    "false": False,
    "float": 1.5,
    "object": object(),
    "path": Path("keys"),
    "numbers": [1, 2],
    "none in a list": [None],
    "list in a list": [["clear"]],
    "bytearray": bytearray(32),
    "ring in a list": [Keyset([OLD])],
    "two keys in one text of a list": [f"{TEXTS['old']} {TEXTS['new']}"],
    "line end in a text of a list": [f"{TEXTS['old']}\n"],
    "word": "secret",
    "password": "correct horse battery staple",
    "without its prefix": TEXTS["old"][5:],
    "prefix of another release": "ztk2_" + TEXTS["old"][5:],
    "upper case prefix": "ZTK1_" + TEXTS["old"][5:],
    "prefix alone": "ztk1_",
    "cut short": TEXTS["old"][:-1],
    "too long": TEXTS["old"] + "A",
    "with another character": TEXTS["old"][:-1] + "!",
    "with a wide character": TEXTS["old"][:-1] + "Ａ",
    "upper-case clear": ["CLEAR", OLD],
    "hexadecimal": OLD._material.hex(),
    "one good and one bad": f"{TEXTS['old']} {TEXTS['new'][:-3]}",
}

DUPLICATE_OWNER: dict[str, Any] = {
    "text": f"{TEXTS['old']} {TEXTS['new']} {TEXTS['old']}",
    "text and bytes": [OLD._material, TEXTS["old"]],
    "object": [OLD, OLD],
    "two clear": ["clear", OLD, "clear"],
    "spare bits": [TEXTS["old"], TEXTS["old"][:-1] + "F"],
}


class TestWhatIsNoRing:
    @pytest.mark.parametrize("given_", EMPTY.values(), ids=EMPTY)
    def test_nothing_is_not_taken_for_clear(self, given_: Any) -> None:
        """What was meant to hold keys and holds none is an error; nothing is stored in clear for it."""
        for make in (Keyset, Keyset.of, lambda keys: TokenRepository(ListBackend(), keys=keys)):
            with pytest.raises(ConfigurationError):
                make(given_)

    @pytest.mark.parametrize("given_", NO_KEYS.values(), ids=NO_KEYS)
    def test_what_is_no_key_is_refused_and_not_shown(self, given_: Any) -> None:
        """One type of error, that tells how a key looks, and no part of what was given."""
        makers: list[Any] = [Keyset, Keyset.of, lambda keys: Keyset.from_callable(lambda: keys)]
        for make in makers:
            with pytest.raises(ConfigurationError) as refused:
                make(given_)
            told = f"{refused.value}{refused.value!r}{refused.value.__cause__}"
            assert refused.value.__suppress_context__ or refused.value.__context__ is None
            texts = given_ if isinstance(given_, list) else [given_]
            assert not [text for text in texts if isinstance(text, str) and len(text) > 5 and text in told]
            assert TEXTS["old"][5:15] not in told

    @pytest.mark.parametrize("given_", DUPLICATE_OWNER.values(), ids=DUPLICATE_OWNER)
    def test_a_key_that_is_there_twice_is_refused(self, given_: Any) -> None:
        """In whatever form: it is not clear where it was meant to stand."""
        with pytest.raises(ConfigurationError, match="twice"):
            Keyset(given_)

    @pytest.mark.parametrize(("value", "said"), [(None, "is not set"), ("", "is empty"), (" \n", "is empty")])
    def test_a_variable_that_is_not_there(
        self, monkeypatch: pytest.MonkeyPatch, value: str | None, said: str
    ) -> None:
        """Asked for by name, a missing or empty variable is an error that names it."""
        monkeypatch.delenv("PORTAL_KEYS", raising=False)
        if value is not None:
            monkeypatch.setenv("PORTAL_KEYS", value)
        with pytest.raises(ConfigurationError, match=f"PORTAL_KEYS {said}"):
            Keyset.from_environment("PORTAL_KEYS")

    def test_an_empty_variable_is_not_taken_for_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """So looks a key that did not arrive: the store is refused, not opened in clear."""
        monkeypatch.setenv("ZOHO_TOKENSTORE_KEYS", "")
        with pytest.raises(ConfigurationError, match="ZOHO_TOKENSTORE_KEYS is empty"):
            TokenRepository(ListBackend())

    @pytest.mark.parametrize("value", [" ", "#", "clear", "file:/nowhere/keys", "secret"])
    def test_a_variable_without_keys_stops_a_store(self, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
        """A store does not begin to store in clear because its keys are not where they should be."""
        monkeypatch.setenv("ZOHO_TOKENSTORE_KEYS", value)
        with pytest.raises(ConfigurationError):
            TokenRepository(ListBackend())
