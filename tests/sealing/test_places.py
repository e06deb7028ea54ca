"""Whose a sealed row is: it opens under the id, for the owner and with the expiry that it was sealed with."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sealing.support import ALICE, NEW, OLD, SEALABLE_TEXTS, Sealer, replaced
from tests.support.hostile import HOSTILE_TEXTS, LOOKALIKES, TEXTS
from zoho_tokenstore.records import Row, row_from_record
from zoho_tokenstore.sealing import _format as values
from zoho_tokenstore.testing._hostile import short_id

CLEAR_ROW = row_from_record(ALICE.changed(redirect_url="https://portal.example/oauth"), "9000000001")
SEALING = Sealer(OLD, NEW)
SEALED_ROW = SEALING.seal(CLEAR_ROW)

PLACE = ("id", "user_name", "client_id", "api_domain", "redirect_url", "expiry_time")
"""The columns that are authenticated, and stay readable."""

IDS = TEXTS.filter(lambda text: "\0" not in text)
NAMES = st.none() | st.just("") | TEXTS
ROWS = st.tuples(IDS, NAMES, NAMES, NAMES, NAMES, NAMES).map(
    lambda it: Row(**dict(zip(PLACE, it, strict=True)))
)


@st.composite
def neighbours(draw: st.DrawFn) -> tuple[Row, Row]:
    """Two rows that differ in one part of their place, or in none."""
    one = draw(ROWS)
    return one, replaced(one, **{draw(st.sampled_from(PLACE)): draw(IDS)})


def place(row: Row) -> tuple[str, ...]:
    return tuple(getattr(row, column) or "" for column in PLACE)


class TestPlaces:
    def test_no_box_opens_in_another_row(self) -> None:
        """Each box in each other row: another id, another owner, another expiry, or all of them."""
        rows = [
            SEALED_ROW,
            SEALING.seal(CLEAR_ROW._replace(id="9000000002")),
            SEALING.seal(CLEAR_ROW._replace(id="9000000003", user_name="bob", expiry_time="5")),
        ]
        opened = [
            (row.id, other.id)
            for row in rows
            for other in rows
            if row is not other
            and SEALING.opened(row._replace(client_secret=other.client_secret, digests=other.digests))
        ]
        assert opened == []

    @given(pair=neighbours() | st.tuples(ROWS, ROWS), value=SEALABLE_TEXTS)
    def test_a_box_opens_in_its_own_place_alone(self, pair: tuple[Row, Row], value: str) -> None:
        """Another id, user, client, domain, redirect URL or expiry: refused. Missing and empty are one."""
        one, other = pair
        sealed = SEALING.seal(replaced(one, access_token=value))
        moved = replaced(other, client_secret=sealed.client_secret)
        assert (SEALING.opened(moved) is not None) == (place(one) == place(other))

    @given(pair=neighbours() | st.tuples(ROWS, ROWS))
    def test_a_place_tells_its_row(self, pair: tuple[Row, Row]) -> None:
        """Different rows have different bytes, whatever digits, colons and lengths their names hold."""
        one, other = pair
        assert (values.associated_data(one) == values.associated_data(other)) == (place(one) == place(other))

    @given(texts=st.lists(st.text("0123456789:.\u00e9", max_size=4), min_size=12, max_size=12))
    def test_a_place_cannot_be_made_of_anothers_parts(self, texts: list[str]) -> None:
        """Texts of digits and colons, with which a place is written, make no other one."""
        halves = (dict(zip(PLACE, half, strict=True)) for half in (texts[:6], texts[6:]))
        one, other = (replaced(CLEAR_ROW, **half) for half in halves)
        assert (values.associated_data(one) == values.associated_data(other)) == (place(one) == place(other))

    @pytest.mark.parametrize("missing", [None, ""])
    def test_missing_and_empty_are_one(self, missing: str | None) -> None:
        """Some storages cannot tell the two apart, so what is sealed beside one opens beside the other."""
        held: dict[str, Any] = dict.fromkeys(PLACE[1:], missing)
        other: dict[str, Any] = dict.fromkeys(held, None if missing == "" else "")
        sealed = SEALING.seal(Row("1", access_token="1000.x", **held))
        assert SEALING.open(replaced(sealed, **other)).access_token == "1000.x"

    @pytest.mark.parametrize(
        "expiry", [None, "", "x", "0", "4102444800001", "04102444800000", "4102444800000 "]
    )
    def test_another_expiry_is_refused(self, expiry: str | None) -> None:
        """Later, earlier, none, no number, or the same number in another text: no dead token is served."""
        assert SEALING.opened(SEALED_ROW._replace(expiry_time=expiry)) is None

    @pytest.mark.parametrize("url", [None, "", "https://mallory.example/oauth"])
    def test_another_redirect_url_is_refused(self, url: str | None) -> None:
        """Whether a code was a browser's or a self client's decides whether it finds the row again."""
        assert SEALING.opened(SEALED_ROW._replace(redirect_url=url)) is None

    @pytest.mark.parametrize("column", PLACE[1:])
    def test_a_place_that_is_no_unicode_is_refused(self, column: str) -> None:
        """A stored name with a lone surrogate, as JSON can have it, is a refusal and no other error."""
        assert SEALING.opened(replaced(SEALED_ROW, **{column: "a\ud800"})) is None

    @pytest.mark.parametrize("pair", [name for name, pair in LOOKALIKES.items() if "\0" not in "".join(pair)])
    @pytest.mark.parametrize("column", PLACE)
    def test_lookalikes_have_places_of_their_own(self, column: str, pair: str) -> None:
        """Nothing is folded or normalised: what is sealed beside one name opens beside that one alone."""
        one, other = (replaced(CLEAR_ROW, **{column: text}) for text in LOOKALIKES[pair])
        assert values.associated_data(one) != values.associated_data(other)
        assert SEALING.opened(SEALING.seal(one)) is not None
        assert SEALING.opened(replaced(SEALING.seal(one), **{column: getattr(other, column)})) is None

    @pytest.mark.parametrize("name", [name for name, text in HOSTILE_TEXTS.items() if "\0" not in text])
    @pytest.mark.parametrize("column", ["id", "user_name", "client_id", "api_domain", "redirect_url"])
    def test_hostile_names_are_places(self, column: str, name: str) -> None:
        """Quotes, control characters, very long texts in a name: the row opens there, and without it not."""
        text = HOSTILE_TEXTS[name]
        row = replaced(CLEAR_ROW, **{column: short_id(text) if column == "id" else text})
        sealed = SEALING.seal(row)
        assert SEALING.open(sealed) == row
        assert SEALING.opened(replaced(sealed, **{column: getattr(CLEAR_ROW, column)})) is None
