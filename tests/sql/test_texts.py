"""What is stored of a text that a column or an index cannot hold as it is."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoho_tokenstore.backends._sql import texts
from zoho_tokenstore.testing.hostile import HOSTILE_TEXTS

TEXTS = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\0\x01\x02"))
LONG = st.builds(lambda head, tail: head * 60 + tail, st.sampled_from(["abcd", "\0\x01é"]), TEXTS)


@given(TEXTS)
def test_escaping_loses_nothing(text: str) -> None:
    """Every text comes back, and there is no NUL in what is stored."""
    escaped = texts.escape(text)
    assert "\0" not in escaped
    assert texts.unescape(escaped) == text


@given(TEXTS)
def test_only_two_characters_are_escaped(text: str) -> None:
    """A text without NUL and without U+0001 is stored as it is."""
    readable = text.replace("\0", "").replace("\x01", "")
    assert texts.escape(readable) == readable


@given(st.lists(TEXTS, min_size=2))
def test_escaping_keeps_the_order(found: list[str]) -> None:
    """Escaped texts sort by code points as the texts themselves, and none becomes another one."""
    ordered = sorted(set(found))
    assert all(texts.escape(one) < texts.escape(two) for one, two in pairwise(ordered))


@given(st.lists(TEXTS | LONG, min_size=2))
def test_ids_keep_their_difference_and_their_length(found: list[str]) -> None:
    """No two ids share a key, no key is longer than the column, and a usual id is its own key."""
    keys = {text: texts.id_key(text) for text in found}
    assert len(set(keys.values())) == len(keys)
    assert all(len(key) <= texts.ID_LENGTH for key in keys.values())
    assert all(key == text for text, key in keys.items() if len(text) <= texts.LONGEST_ID)


@pytest.mark.parametrize("name", HOSTILE_TEXTS)
def test_hostile_texts_are_escaped_without_loss(name: str) -> None:
    """Each of the named texts comes back."""
    assert texts.unescape(texts.escape(HOSTILE_TEXTS[name])) == HOSTILE_TEXTS[name]
