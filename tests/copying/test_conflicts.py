"""What becomes of a row where the destination has something else: under its id, or of its owner."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from tests.copying.support import in_order, put, row, rows_of, side
from zoho_tokenstore import Keyset, TokenRecord, TokenRepository
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.copying import CopyReport, OnConflict, Outcome
from zoho_tokenstore.copying._passes import copy_rows
from zoho_tokenstore.records import Row

FAIL, SKIP, NEWER, OVERWRITE = OnConflict
EARLY, LATE = 1_700_000_000_001, 1_700_000_000_002
EVERY_POLICY = pytest.mark.parametrize("policy", OnConflict)


def theirs(
    row_id: str = "1", updated_at_ms: int = EARLY, user: str | None = "alice", **columns: object
) -> Row:
    """A row of the destination: the user has logged in there by another login."""
    return row(
        row_id,
        user,
        access_token="1000.access.theirs",
        refresh_token="1000.refresh.theirs",
        created_at_ms=7,
        updated_at_ms=updated_at_ms,
        **columns,
    )


class Copied:
    """The end of a copy of some rows into a store with some others."""

    def __init__(self, ours: Iterable[Row], there: Iterable[Row], policy: OnConflict, *, dry: bool = False):
        source, destination, keys = ListBackend(), ListBackend(), Keyset.generate()
        put(source, ours)
        put(destination, there, keys)
        before = list(destination.scan())
        self.done = copy_rows(side(source), side(destination, keys), on_conflict=policy, dry_run=dry)
        self.rows = rows_of(destination, keys)
        self.is_untouched = list(destination.scan()) == before
        self.again: CopyReport = copy_rows(side(source), side(destination, keys), on_conflict=policy)
        self.is_stable = rows_of(destination, keys) == self.rows

    def ids(self, outcome: Outcome) -> list[tuple[str, str | None]]:
        return self.done.outcomes[outcome].ids if outcome in self.done.outcomes else []


def test_fail_changes_nothing_of_that_row_and_goes_on() -> None:
    """The others are copied; the run ends incomplete, and so does the next one."""
    copied = Copied([row("1"), row("2", "bob")], [theirs()], FAIL)
    assert copied.rows == [theirs(), row("2", "bob")]
    assert copied.ids(Outcome.CONFLICT) == [("1", None)]
    assert not copied.done.is_complete
    assert not copied.again.is_complete
    assert copied.again.passes == 1


@pytest.mark.parametrize("updated", [EARLY - 1, EARLY, LATE])
def test_skip_leaves_it_and_is_complete(updated: int) -> None:
    """Whichever is the newer one."""
    copied = Copied([row("1"), row("2", "bob")], [theirs(updated_at_ms=updated)], SKIP)
    assert copied.rows == [theirs(updated_at_ms=updated), row("2", "bob")]
    assert copied.ids(Outcome.KEPT_DESTINATION) == [("1", None)]
    assert copied.done.is_complete


@pytest.mark.parametrize("updated", [EARLY - 1, EARLY, LATE])
def test_overwrite_takes_the_sources(updated: int) -> None:
    """Whichever is the newer one: columns and times are the source's then."""
    copied = Copied([row("1"), row("2", "bob")], [theirs(updated_at_ms=updated)], OVERWRITE)
    assert copied.rows == [row("1"), row("2", "bob")]
    assert (copied.done.copied, copied.done.overwritten) == (1, 1)
    assert copied.done.is_complete
    assert copied.again.overwritten == 0


@pytest.mark.parametrize(("updated", "stays"), [(EARLY - 1, False), (EARLY, True), (LATE, True)])
def test_newer_takes_the_one_that_was_updated_later(updated: int, stays: bool) -> None:
    """At the same time the destination's stays."""
    there = theirs(updated_at_ms=updated)
    copied = Copied([row("1", updated_at_ms=EARLY)], [there], NEWER)
    assert copied.rows == [there if stays else row("1", updated_at_ms=EARLY)]
    assert copied.done.count(Outcome.KEPT_DESTINATION) == stays
    assert copied.done.overwritten == (not stays)
    assert copied.done.is_complete


@pytest.mark.parametrize(("ours", "there"), [(None, EARLY), (EARLY, None), (None, None)])
def test_newer_does_not_guess(ours: int | None, there: int | None) -> None:
    """The SDK's FileStore notes no times. Then nobody knows which is later: a conflict, as by default."""
    other = theirs()._replace(updated_at_ms=there)
    copied = Copied([row("1", updated_at_ms=ours)], [other], NEWER)
    assert copied.rows == [other]
    assert copied.ids(Outcome.CONFLICT) == [("1", None)]
    assert not copied.done.is_complete


@EVERY_POLICY
def test_an_id_of_another_user_is_never_overwritten(policy: OnConflict) -> None:
    """Bob's login stays under every policy. The row is told of; only `skip` calls that complete."""
    bob = theirs("1", EARLY - 1, "bob")
    copied = Copied([row("1"), row("2", "carol")], [bob], policy)
    assert copied.rows == [bob, row("2", "carol")]
    outcome = Outcome.KEPT_DESTINATION if policy is SKIP else Outcome.ID_IN_USE
    assert copied.ids(outcome) == [("1", None)]
    assert copied.done.is_complete is (policy is SKIP)


@EVERY_POLICY
def test_an_id_of_another_client_is_never_overwritten(policy: OnConflict) -> None:
    """Likewise for a user's token of another OAuth client."""
    other = theirs(client_id="1000.OTHER")
    assert Copied([row("1", updated_at_ms=LATE)], [other], policy).rows == [other]


def test_a_row_without_a_name_is_the_same_user_if_a_token_proves_it() -> None:
    """The SDK fills a name in later. Otherwise it could be anybody's, and both stay."""
    later = row("1", access_token="1000.access.later", updated_at_ms=LATE)
    nameless = row("1", None)
    for ours, there in ((later, nameless), (later._replace(user_name=None), row("1"))):
        assert Copied([ours], [there], NEWER).rows == [ours]
    for ours, there in ((row("1"), theirs(user=None)), (nameless, theirs())):
        copied = Copied([ours], [there], OVERWRITE)
        assert copied.rows == [there]
        assert copied.ids(Outcome.ID_IN_USE) == [("1", None)]


def test_rows_without_names_are_told_apart_by_their_tokens() -> None:
    """Zoho keeps a refresh token for good: with another one it is another login, perhaps another user's."""
    refreshed = row("1", None, access_token="1000.access.later", updated_at_ms=LATE)
    assert Copied([refreshed], [row("1", None)], NEWER).rows == [refreshed]
    assert Copied([row("1", None, updated_at_ms=LATE)], [theirs(user=None)], NEWER).rows == [
        theirs(user=None)
    ]


# ---- the owner has a row of another id


@pytest.mark.parametrize(("policy", "outcome"), [(FAIL, Outcome.CONFLICT), (SKIP, Outcome.KEPT_DESTINATION)])
def test_an_owner_keeps_one_row(policy: OnConflict, outcome: Outcome) -> None:
    """Alice has logged in there under another id: no second row of hers is made."""
    copied = Copied([row("1"), row("2", "bob")], [theirs("9")], policy)
    assert copied.rows == [row("2", "bob"), theirs("9")]
    assert copied.ids(outcome) == [("1", "9")]
    assert copied.done.is_complete is (policy is SKIP)


def test_overwrite_puts_the_login_into_the_owners_row() -> None:
    """It takes columns and times; the id there stays, as those who use it know it. It is told of."""
    copied = Copied([row("1")], [theirs("9", LATE)], OVERWRITE)
    assert copied.rows == [row("1")._replace(id="9")]
    assert copied.ids(Outcome.ELSEWHERE) == [("1", "9")]
    assert (copied.done.overwritten, copied.done.copied, copied.done.is_complete) == (1, 0, True)
    assert copied.again.overwritten == 0
    assert copied.is_stable


@pytest.mark.parametrize(("updated", "stays"), [(EARLY - 1, False), (EARLY, True), (LATE, True)])
def test_newer_decides_about_the_owners_row(updated: int, stays: bool) -> None:
    """By the times of the two."""
    copied = Copied([row("1", updated_at_ms=EARLY)], [theirs("9", updated)], NEWER)
    assert copied.rows == [theirs("9", updated) if stays else row("1")._replace(id="9")]
    assert copied.done.is_complete
    assert copied.is_stable


def test_other_clients_and_domains_are_other_owners() -> None:
    """Alice's tokens of another client, or of a sandbox, are rows of their own."""
    others = [theirs("7", client_id="1000.OTHER"), theirs("8", api_domain="https://sandbox.zohoapis.com")]
    copied = Copied([row("1")], others, FAIL)
    assert copied.rows == [row("1"), *others]
    assert copied.done.is_complete


def test_a_login_without_a_name_is_known_by_its_refresh_token() -> None:
    """A nameless row with the same refresh token is the same login, under another id."""
    nameless = row("9", None, refresh_token="1000.refresh.1")
    copied = Copied([row("1", None)], [nameless, theirs("8", user="bob")], FAIL)
    assert copied.ids(Outcome.CONFLICT) == [("1", "9")]


def test_the_owners_row_is_taken_if_the_id_is_another_users() -> None:
    """Alice's id is Bob's there, and she has a row of her own: hers gets the login, his stays."""
    bob = theirs("1", user="bob")
    copied = Copied([row("1")], [bob, theirs("9", LATE)], OVERWRITE)
    assert copied.rows == [bob, row("1")._replace(id="9")]


def test_an_owners_row_may_have_the_id_of_somebody_elses_in_the_source() -> None:
    """Alice's row there has Bob's id. She gets no second row, and he takes nothing of hers."""
    hers = theirs("2", LATE)
    copied = Copied([row("1"), row("2", "bob")], [hers], FAIL)
    assert copied.rows == [hers]
    assert (copied.ids(Outcome.CONFLICT), copied.ids(Outcome.ID_IN_USE)) == ([("1", "2")], [("2", None)])
    copied = Copied([row("1"), row("2", "bob")], [hers], OVERWRITE)
    assert copied.rows == [row("1")._replace(id="2")]
    assert copied.ids(Outcome.ID_IN_USE) == [("2", None)]


def test_of_an_owners_rows_there_the_one_with_this_login_is_enough() -> None:
    """Also if another one is later: nothing is overwritten."""
    there = [row("1")._replace(id="8"), theirs("9", LATE)]
    copied = Copied([row("1")], there, OVERWRITE)
    assert copied.rows == there
    assert copied.ids(Outcome.ELSEWHERE) == [("1", "8")]
    assert copied.done.overwritten == 0


@EVERY_POLICY
def test_two_rows_of_an_owner_in_the_source_stay_two(policy: OnConflict) -> None:
    """The published code leaves such rows. They are not made one, nor taken for a conflict."""
    ours = [row("1"), row("2", updated_at_ms=LATE)]
    copied = Copied(ours, [], policy)
    assert copied.rows == ours
    assert copied.done.is_complete
    assert Copied(ours, ours[1:], policy).rows == ours


@pytest.mark.parametrize("later", ["1", "2"])
def test_of_two_rows_of_an_owner_the_later_one_goes_into_the_owners_row(later: str) -> None:
    """The earlier one is left out, and a second run finds it settled."""
    ours = [row(row_id, updated_at_ms=LATE if row_id == later else EARLY) for row_id in ("1", "2")]
    copied = Copied(ours, [theirs("9", EARLY - 1)], OVERWRITE)
    (left,) = copied.rows
    assert (left.id, left.access_token) == ("9", f"1000.access.{later}")
    assert copied.done.count(Outcome.ELSEWHERE) == copied.done.count(Outcome.KEPT_DESTINATION) == 1
    assert copied.is_stable
    assert copied.again.overwritten == 0


class TestCrossed:
    """Rows under ids that are others' in the other store, with tokens in common."""

    def test_an_owners_row_under_the_id_of_another_source_row(self) -> None:
        """Both source rows are in the destination in the end, and a second run writes nothing."""
        common: dict[str, Any] = {"client_secret": "s", "access_token": "shared", "api_domain": "d"}
        ours = [
            Row("3", client_id="c", access_token="shared", updated_at_ms=1),
            Row("30", "bob", refresh_token="two", **common),
        ]
        there = [Row("30", "alice", refresh_token="one", updated_at_ms=3, **common)]
        copied = Copied(ours, there, OVERWRITE)
        assert copied.rows == in_order(ours)
        assert copied.is_stable
        assert (copied.again.passes, copied.again.overwritten) == (1, 0)

    def test_a_row_whose_place_shows_when_another_has_its_own(self) -> None:
        """Whichever is the later one: it is overwritten by this run, not by the second one."""
        one = Row("2", client_secret="s", refresh_token="one", access_token="shared", api_domain="d")
        two = Row(
            "4", "alice", refresh_token="two", access_token="shared", api_domain="d", updated_at_ms=LATE
        )
        there = [
            Row("1", "bob", client_id="c", client_secret="s", access_token="shared", updated_at_ms=LATE),
            Row("30", client_id="c2", client_secret="s", access_token="shared", api_domain="d"),
        ]
        copied = Copied([one, two], there, OVERWRITE)
        assert copied.rows == [one._replace(id="1"), two._replace(id="30")]
        assert copied.again.overwritten == 0

    def test_a_row_that_was_read_before_it_was_overwritten(self) -> None:
        """What this run has put there counts, not what was read ahead."""
        common: dict[str, Any] = {"client_secret": "s", "refresh_token": "r"}
        ours = [
            Row("1", access_token="a", grant_token="g", api_domain="d", **common),
            Row("2", access_token="b", grant_token="g", api_domain="d", **common),
            Row("4", "bob", access_token="b", grant_token="g", updated_at_ms=2, **common),
        ]
        bob = Row("3", "bob", client_id="c", client_secret="s", access_token="a", updated_at_ms=1)
        there = [
            Row("2", access_token="a", api_domain="d", **common),
            bob,
            Row("4", "alice", access_token="a", api_domain="d", **common),
        ]
        assert Copied(ours, there, OVERWRITE).rows == [ours[1], bob, ours[2]]


# ---- a dry run


@EVERY_POLICY
def test_a_dry_run_writes_nothing_and_tells_what_a_run_does(policy: OnConflict) -> None:
    """Its outcomes and counts are those of the run that follows."""
    ours = [row("1"), row("2", "bob"), row("3", "carol"), row("4", "dave"), row("5", "eve")]
    there = [
        theirs("2", LATE, "bob"),
        theirs("3", EARLY - 1, "carol"),
        row("4", "dave"),
        theirs("5", LATE, "zoe"),
    ]
    there.append(theirs("9"))
    dry, wet = (Copied(ours, there, policy, dry=dry) for dry in (True, False))
    assert dry.is_untouched
    assert (dry.done.copied, dry.done.overwritten) == (wet.done.copied, wet.done.overwritten)
    asked = (Outcome.KEPT_DESTINATION, Outcome.CONFLICT, Outcome.ID_IN_USE, Outcome.ELSEWHERE)
    assert [dry.ids(outcome) for outcome in asked] == [wet.ids(outcome) for outcome in asked]
    assert dry.done.is_complete == wet.done.is_complete
    assert dry.done.passes == 1


def test_what_was_overwritten_is_found_by_its_new_tokens() -> None:
    """The look-ups of the destination follow, and the old login finds nothing any more."""
    source, destination, keys = ListBackend(), ListBackend(), Keyset.generate()
    put(source, [row("1")])
    put(destination, [theirs()], keys)
    copy_rows(side(source), side(destination, keys), on_conflict=OVERWRITE)
    tokens = TokenRepository(destination, keys=keys)
    found = tokens.find(TokenRecord(access_token="1000.access.1"))
    assert found is not None
    assert found.id == "1"
    assert tokens.find(TokenRecord(access_token="1000.access.theirs")) is None


def test_at_most_twenty_ids_are_kept() -> None:
    """However many rows have an outcome."""
    ours = [row(f"{number:03}", f"user{number}") for number in range(50)]
    there = [theirs(one.id, user=one.user_name) for one in ours]
    copied = Copied(ours, there, FAIL)
    assert copied.done.count(Outcome.CONFLICT) == 50
    assert [row_id for row_id, _ in copied.ids(Outcome.CONFLICT)] == [f"{number:03}" for number in range(20)]
