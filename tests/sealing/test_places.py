"""Whose a sealed value is: it opens in the row, the column and for the owner that it was sealed for."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sealing.support import ALICE, NEW, OLD, Box, replaced
from tests.support.hostile import HOSTILE_TEXTS, LOOKALIKES, TEXTS
from zoho_tokenstore.crypto import values
from zoho_tokenstore.records import SECRET_COLUMNS, Row, row_from_record

CLEAR_ROW = row_from_record(ALICE, "9000000001")
SEALING = Box(OLD, NEW)
SEALED_ROW = SEALING.seal(CLEAR_ROW)

NAMES = st.none() | st.just("") | TEXTS
ROWS = st.tuples(TEXTS, NAMES, NAMES, NAMES).map(
    lambda it: Row(it[0], user_name=it[1], client_id=it[2], api_domain=it[3])
)


@st.composite
def neighbours(draw: st.DrawFn) -> tuple[Row, Row]:
    """Two rows that differ in one part of their place, or in none."""
    one = draw(ROWS)
    part = draw(st.sampled_from(["id", "user_name", "client_id", "api_domain", "redirect_url"]))
    return one, replaced(one, **{part: draw(TEXTS)})


def owner(row: Row) -> tuple[str, ...]:
    return row.id, row.user_name or "", row.client_id or "", row.api_domain or ""


class TestPlaces:
    def test_every_move_between_rows_and_columns_is_refused(self) -> None:
        """Each sealed text of two rows in each other place of both."""
        sealed = [SEALED_ROW, SEALING.seal(CLEAR_ROW._replace(id="9000000002", user_name="bob"))]
        places = [(row, column) for row in sealed for column in SECRET_COLUMNS]
        opened = [
            (place[0].id, place[1], text_of[0].id, text_of[1])
            for place in places
            for text_of in places
            if place != text_of
            and SEALING.opened(place[0]._replace(**{place[1]: getattr(*text_of)})) is not None
        ]
        assert opened == []

    @given(pair=neighbours(), value=TEXTS, columns=st.sampled_from([*product(SECRET_COLUMNS, repeat=2)]))
    def test_a_value_opens_in_its_own_place_alone(
        self, pair: tuple[Row, Row], value: str, columns: tuple[str, str]
    ) -> None:
        """Another id, user, client, domain or column: refused. Missing and empty are the same."""
        (one, other), (column, place) = pair, columns
        sealed = SEALING.seal(replaced(one, **{column: value}))
        moved = replaced(other, **{place: getattr(sealed, column)})
        same = owner(one) == owner(other) and column == place
        assert (SEALING.opened(moved) is not None) == same

    @given(pair=neighbours() | st.tuples(ROWS, ROWS))
    def test_a_place_tells_its_row(self, pair: tuple[Row, Row]) -> None:
        """Different owners have different bytes, whatever digits, colons and lengths their names hold."""
        one, other = pair
        assert (values.place_of(one) == values.place_of(other)) == (owner(one) == owner(other))

    @given(texts=st.lists(st.text("0123456789:.é", max_size=4), min_size=8, max_size=8))
    def test_a_place_cannot_be_made_of_anothers_parts(self, texts: list[str]) -> None:
        """Texts of digits and colons, with which a place is written, make no other one."""
        one = Row(texts[0] or "1", user_name=texts[1], client_id=texts[2], api_domain=texts[3])
        other = Row(texts[4] or "1", user_name=texts[5], client_id=texts[6], api_domain=texts[7])
        assert (values.place_of(one) == values.place_of(other)) == (owner(one) == owner(other))

    @pytest.mark.parametrize("missing", [None, ""])
    def test_missing_and_empty_are_one(self, missing: str | None) -> None:
        """Some storages cannot tell the two apart, so what is sealed beside one opens beside the other."""
        held: dict[str, Any] = dict.fromkeys(["user_name", "client_id", "api_domain"], missing)
        other: dict[str, Any] = dict.fromkeys(held, None if missing == "" else "")
        sealed = SEALING.seal(Row("1", access_token="1000.x", **held))
        assert SEALING.open(replaced(sealed, **other)).access_token == "1000.x"

    @pytest.mark.parametrize("column", ["expiry_time", "redirect_url", "updated_at_ms"])
    def test_what_is_not_of_the_place_may_change(self, column: str) -> None:
        """A limit: expiry, redirect address and times are not authenticated; people edit them."""
        opened = SEALING.open(replaced(SEALED_ROW, **{column: 5 if column.endswith("_ms") else "5"}))
        assert opened.access_token == CLEAR_ROW.access_token

    def test_a_place_that_is_no_unicode_is_refused(self) -> None:
        """A stored name with a lone surrogate, as JSON can have it, is a refusal and no other error."""
        assert SEALING.opened(SEALED_ROW._replace(user_name="a\ud800")) is None

    @pytest.mark.parametrize("pair", LOOKALIKES)
    @pytest.mark.parametrize("column", ["id", "user_name", "client_id", "api_domain"])
    def test_lookalikes_have_places_of_their_own(self, column: str, pair: str) -> None:
        """Nothing is folded or normalised: what is sealed beside one name opens beside that one alone."""
        one, other = (replaced(CLEAR_ROW, **{column: text}) for text in LOOKALIKES[pair])
        assert values.place_of(one) != values.place_of(other)
        assert SEALING.opened(SEALING.seal(one)) is not None
        assert SEALING.opened(SEALING.seal(one)._replace(**{column: getattr(other, column)})) is None

    @pytest.mark.parametrize("name", HOSTILE_TEXTS)
    @pytest.mark.parametrize("column", ["id", "user_name", "client_id", "api_domain"])
    def test_hostile_names_are_places(self, column: str, name: str) -> None:
        """NUL, quotes, very long texts and the like in a name: the value opens there, and without it not."""
        row = replaced(CLEAR_ROW, **{column: HOSTILE_TEXTS[name]})
        sealed = SEALING.seal(row)
        assert SEALING.open(sealed) == row
        assert SEALING.opened(replaced(sealed, **{column: getattr(CLEAR_ROW, column)})) is None
