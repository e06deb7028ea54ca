"""Which token is meant: every rule as a property."""

from __future__ import annotations

from itertools import islice, pairwise
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from tests.property.records import HOSTILE_RECORDS, RECORDS, TEXT_FIELDS, lookups
from zoho_tokenstore import _ids
from zoho_tokenstore import _matching as matching
from zoho_tokenstore._ids import candidate_ids
from zoho_tokenstore.records import TokenRecord

EITHER = RECORDS | HOSTILE_RECORDS
Lookup = tuple[TokenRecord, list[TokenRecord]]
ORDER = ["id", "user_name", "access_token", "grant_token", "refresh_token"]
OWNER = ("user_name", "client_id", "api_domain")
LOGIN = ("access_token", "expires_at_ms", "refresh_token", "grant_token")
HOUR = 480_000


def first_ids(record: TokenRecord, count: int = 3) -> list[str]:
    return list(islice(candidate_ids(record, HOUR), count))


def has_token(record: TokenRecord) -> bool:
    return any((record.refresh_token, record.access_token, record.grant_token))


def chosen(query: TokenRecord, candidates: list[TokenRecord]) -> TokenRecord | None:
    keys = matching.keys_of(query)
    assume(keys)
    return matching.choose(query, keys[0], candidates)


class TestKeys:
    @given(record=EITHER)
    def test_keys_come_in_order(self, record: TokenRecord) -> None:
        """Keys are in the documented order, each with the record's own, non-empty text."""
        keys = matching.keys_of(record)
        assert [ORDER.index(key.index) for key in keys] == sorted(ORDER.index(key.index) for key in keys)
        assert len({key.index for key in keys}) == len(keys)
        assert all(key.value and key.value == getattr(record, key.index) for key in keys)

    @given(record=EITHER)
    def test_id_and_name_are_always_keys(self, record: TokenRecord) -> None:
        """An id and a user name are keys whatever else the record carries."""
        indexes = {key.index for key in matching.keys_of(record)}
        assert ("id" in indexes) == (record.id is not None)
        assert ("user_name" in indexes) == (record.user_name is not None)

    @given(record=EITHER)
    def test_tokens_are_keys_by_the_client(self, record: TokenRecord) -> None:
        """An access token is a key without any credential, a grant and a refresh token with both."""
        indexes = {key.index for key in matching.keys_of(record)}
        given_ = (record.client_id is not None) + (record.client_secret is not None)
        assert ("access_token" in indexes) == (record.access_token is not None and given_ == 0)
        assert ("grant_token" in indexes) == (record.grant_token is not None and given_ == 2)
        assert ("refresh_token" in indexes) == (record.refresh_token is not None and given_ == 2)

    @given(record=EITHER, name=st.sampled_from(TEXT_FIELDS))
    def test_an_empty_text_is_a_missing_field(self, record: TokenRecord, name: str) -> None:
        """An empty text in any field gives the keys that no field gives."""
        empty, missing = (record.changed(**{name: None}) for _ in range(2))
        fields: dict[str, Any] = {field: value for field, value in empty.__dict__.items() if field != name}
        assert matching.keys_of(TokenRecord(**fields | {name: ""})) == matching.keys_of(missing)

    def test_nothing_has_no_key(self) -> None:
        """An empty record names nobody, nor does a client or a domain alone."""
        assert matching.keys_of(TokenRecord()) == []
        client = TokenRecord(client_id="portal", client_secret="s", api_domain="d", redirect_url="u")
        assert matching.keys_of(client) == []


class TestChoose:
    @given(lookup=lookups())
    def test_the_first_key_decides(self, lookup: Lookup) -> None:
        """What is chosen is one of the candidates and holds the query's first key."""
        query, candidates = lookup
        found = chosen(query, candidates)
        if found is not None:
            key = matching.keys_of(query)[0]
            assert found in candidates
            assert getattr(found, key.index) == key.value

    @given(lookup=lookups())
    def test_an_id_means_that_row(self, lookup: Lookup) -> None:
        """By id, that row is chosen whatever else the query says."""
        query, candidates = lookup
        for stored in candidates:
            assert chosen(query.changed(id=stored.id), candidates) == stored
        assert chosen(query.changed(id="nobody"), candidates) is None

    @given(lookup=lookups())
    def test_a_row_is_found_exactly_if_it_fits(self, lookup: Lookup) -> None:
        """Without an id: a row that holds the key and differs in nothing that counts is found.

        The client counts always, and the API domain where one is stored; then the refresh token, or else
        the access or grant token; and the client's secret beside a refresh token where one is stored.
        """
        query, candidates = lookup
        assume(query.id is None and matching.keys_of(query))
        counting = {matching.keys_of(query)[0].index, "client_id"}
        fitting = [
            stored
            for stored in candidates
            if all(getattr(query, name) in (None, getattr(stored, name)) for name in counting)
            and (None in (query.api_domain, stored.api_domain) or query.api_domain == stored.api_domain)
            and (query.refresh_token is None or same_secret(query, stored))
            and is_of_login(query, stored)
        ]
        found = chosen(query, candidates)
        if not fitting:
            assert found is None
        else:
            assert found in fitting
            exact = [stored for stored in fitting if query.api_domain in (None, stored.api_domain)]
            assert found in (exact or fitting)
            latest = max(stored.updated_at_ms or 0 for stored in exact or fitting)
            assert (found.updated_at_ms or 0) == latest

    @given(lookup=lookups(), data=st.data())
    def test_the_order_of_candidates_means_nothing(self, lookup: Lookup, data: st.DataObject) -> None:
        """The same row is chosen whatever order the storage answers in."""
        query, candidates = lookup
        shuffled = data.draw(st.permutations(candidates))
        assert chosen(query, candidates) == chosen(query, shuffled)
        for key in matching.keys_of(query):
            one, other = (matching.choose_to_update(query, key, rows) for rows in (candidates, shuffled))
            assert one == other


class TestOwners:
    @given(one=EITHER, other=EITHER)
    def test_same_owner_is_symmetric(self, one: TokenRecord, other: TokenRecord) -> None:
        """Whether two records can be one owner's does not depend on which is asked."""
        assert matching.same_owner(one, other) == matching.same_owner(other, one)
        assert matching.same_owner(one, one)

    @given(one=RECORDS, other=RECORDS)
    def test_same_owner_differs_in_nothing(self, one: TokenRecord, other: TokenRecord) -> None:
        """Two records are one owner's if user, client and domain differ nowhere that both name."""
        named = [(getattr(one, name), getattr(other, name)) for name in OWNER]
        assert matching.same_owner(one, other) == all(a == b for a, b in named if a and b)

    @given(one=RECORDS, other=RECORDS)
    def test_same_owner_is_the_same_person(self, one: TokenRecord, other: TokenRecord) -> None:
        """What is one owner's is one person's; a person may also move to another API domain."""
        if matching.same_owner(one, other):
            assert matching.same_person(one, other)
        if matching.same_person(one, other):
            assert matching.same_owner(one.changed(api_domain=None), other)

    @given(lookup=lookups())
    def test_a_save_updates_its_owners_row(self, lookup: Lookup) -> None:
        """By whatever key: the row that a save updates holds the key and is its owner's.

        Of several, it is one that agrees with the record on the most of user, client and domain.
        """
        record, candidates = lookup
        for key in matching.keys_of(record):
            owned = [
                other
                for other in candidates
                if getattr(other, key.index) == key.value
                and matching.same_owner(record, other)
                and not is_foreign(record, other)
                and (
                    key.index == "user_name" or len({record.refresh_token, other.refresh_token} - {None}) < 2
                )
            ]
            found = matching.choose_to_update(record, key, candidates)
            if not owned:
                assert found is None
            else:
                assert found in owned
                assert agreement(record, found) == max(agreement(record, other) for other in owned)


class TestMerge:
    @given(record=EITHER, stored=EITHER)
    def test_merge_never_blanks(self, record: TokenRecord, stored: TokenRecord) -> None:
        """A field of a merge is the new one where there is one, else the stored one, within a login."""
        merged = matching.merge(record, stored)
        for name, value in merged.__dict__.items():
            new = getattr(record, name)
            if name not in LOGIN and not (name == "redirect_url" and new is None):
                assert value == (getattr(stored, name) if new is None else new), name

    @given(record=EITHER, stored=EITHER)
    def test_a_login_is_one_unit(self, record: TokenRecord, stored: TokenRecord) -> None:
        """Tokens of the record and of the row stand together only if one token proves them one login."""
        merged = matching.merge(record, stored)
        of_record = {name: getattr(record, name) for name in LOGIN}
        if proof(record) is not None and not is_of_login(record, stored):
            ends = of_record["expires_at_ms"] if record.access_token else None
            assert {name: getattr(merged, name) for name in LOGIN} == of_record | {"expires_at_ms": ends}
        else:
            for name in ("refresh_token", "grant_token", "access_token"):
                new = of_record[name]
                assert getattr(merged, name) == (getattr(stored, name) if new is None else new)

    @given(record=EITHER, stored=EITHER)
    def test_an_expiry_goes_with_its_access_token(self, record: TokenRecord, stored: TokenRecord) -> None:
        """A merged expiry is that of the record or the row whose access token is kept."""
        merged = matching.merge(record, stored)
        owners = [one for one in (record, stored) if one.access_token == merged.access_token]
        assert merged.expires_at_ms in {one.expires_at_ms for one in owners} | {None}

    @given(record=EITHER, stored=EITHER, times=st.tuples(st.none() | st.just(1), st.booleans()))
    def test_only_an_identified_user_keeps_a_refresh_token(
        self, record: TokenRecord, stored: TokenRecord, times: tuple[int | None, bool]
    ) -> None:
        """A login without a refresh token gets the stored one only if Zoho named one user both times."""
        identified = times[1]
        stored = stored.changed(identified_at_ms=times[0], refresh_token="r1", grant_token="g1")
        record = record.changed(refresh_token=None, grant_token="g2")
        assume(record.access_token is None or record.access_token != stored.access_token)
        merged = matching.merge(record, stored, identified=identified)
        same = (record.user_name, record.client_id) == (stored.user_name, stored.client_id)
        kept = identified and times[0] is not None and same
        assert merged.refresh_token == ("r1" if kept else None)

    @given(record=EITHER, stored=EITHER, access=st.sampled_from(["new", "stored"]))
    def test_an_access_token_of_a_user_whom_zoho_named_is_a_login(
        self, record: TokenRecord, stored: TokenRecord, access: str
    ) -> None:
        """Another access token, whose user Zoho named, leaves nothing of a login in which it named nobody."""
        stored = stored.changed(access_token="stored", refresh_token="r1", identified_at_ms=None)
        record = record.changed(access_token=access, refresh_token=None, grant_token=None)
        kept = matching.merge(record, stored, identified=True)
        part = matching.merge(record, stored, identified=False)
        assert (kept.refresh_token, kept.access_token) == ("r1" if access == "stored" else None, access)
        assert (part.refresh_token, part.access_token) == ("r1", access)

    @given(record=EITHER, stored=EITHER)
    def test_merge_changes_no_argument(self, record: TokenRecord, stored: TokenRecord) -> None:
        """Merging twice is merging once, and the arguments stay as they are."""
        before = dict(record.__dict__), dict(stored.__dict__)
        merged = matching.merge(record, stored)
        assert matching.merge(record, merged) == merged
        assert (record.__dict__, stored.__dict__) == before

    @given(query=EITHER, found=EITHER)
    def test_fill_keeps_the_callers_fields(self, query: TokenRecord, found: TokenRecord) -> None:
        """Filling changes no field that the caller set, and takes what is no token from the store."""
        filled = matching.fill(query, found)
        for name in TEXT_FIELDS:
            own = getattr(query, name)
            if own is not None:
                assert getattr(filled, name) == own, name
            elif name not in LOGIN:
                assert getattr(filled, name) == getattr(found, name), name

    @given(query=EITHER, found=EITHER)
    def test_fill_lends_a_whole_login(self, query: TokenRecord, found: TokenRecord) -> None:
        """Stored tokens are filled in beside the caller's own only if these are of the same login."""
        filled = matching.fill(query, found)
        key = proof(query) or "access_token"
        own = getattr(query, key)
        if own is not None and own != getattr(found, key):
            assert [getattr(filled, name) for name in LOGIN if name != "expires_at_ms"] == [
                getattr(query, name) for name in LOGIN if name != "expires_at_ms"
            ]
        else:
            for name in ("refresh_token", "grant_token", "access_token"):
                expected = getattr(query, name)
                assert getattr(filled, name) == (getattr(found, name) if expected is None else expected)

    @given(query=EITHER, found=EITHER)
    def test_fill_lends_no_expiry(self, query: TokenRecord, found: TokenRecord) -> None:
        """The stored expiry is never put beside an access token that it does not belong to."""
        filled = matching.fill(query, found)
        owners = [one for one in (query, found) if one.access_token == filled.access_token]
        assert filled.expires_at_ms in {one.expires_at_ms for one in owners} | {None}


class TestIds:
    @given(record=EITHER.filter(has_token))
    def test_ids_are_nine_digits(self, record: TokenRecord) -> None:
        """Every candidate is nine decimal digits with a leading 9, and the next one is another."""
        ids = first_ids(record, 5)
        assert all(len(i) == 9 and i.isascii() and i.isdecimal() and i[0] == "9" for i in ids)
        assert all(a != b for a, b in pairwise(ids))

    @given(record=EITHER.filter(has_token))
    def test_ids_are_determined_by_the_owner(self, record: TokenRecord) -> None:
        """The same owner gets the same candidates, whatever his id, expiry and redirect address are."""
        same = record.changed(id="other", expires_at_ms=1, updated_at_ms=2, redirect_url="https://other")
        assert first_ids(same) == first_ids(record)

    @given(one=HOSTILE_RECORDS.filter(has_token), other=HOSTILE_RECORDS.filter(has_token))
    def test_other_owners_get_other_ids(self, one: TokenRecord, other: TokenRecord) -> None:
        """Owners who differ in key, client or domain have different seeds, however texts are cut."""
        assert (_ids._identity(one) == _ids._identity(other)) == (seed(one) == seed(other))

    @given(parts=st.lists(st.text("ab:| 1", max_size=4), min_size=3, max_size=3), cut=st.integers(1, 3))
    def test_moving_text_between_parts_changes_the_seed(self, parts: list[str], cut: int) -> None:
        """Text that moves from the user's name into the client id makes another seed."""
        name, client, domain = (f"x{part}" for part in parts)
        moved = (name[:-1] or "x", name[-1] + client)
        assume((name, client) != moved)
        one = TokenRecord(user_name=name, client_id=client, api_domain=domain, access_token="a")
        other = TokenRecord(user_name=moved[0], client_id=moved[1], api_domain=domain, access_token="a")
        assert _ids._identity(one) != _ids._identity(other)

    def test_ids_are_pinned(self) -> None:
        """The ids that this release derives are those of every other release: they are stored."""
        alice = TokenRecord(user_name="alice", client_id="portal", api_domain="https://x", access_token="a")
        assert first_ids(alice) == ["950881189", "966174023", "962904218"]


def same_secret(query: TokenRecord, stored: TokenRecord) -> bool:
    """Tell whether two records do not name different client secrets."""
    return len({query.client_secret, stored.client_secret} - {None}) < 2


def proof(record: TokenRecord) -> Any:
    """Return by which token a record's login is known."""
    return next((name for name in ("refresh_token", "grant_token") if getattr(record, name)), None)


def is_of_login(query: TokenRecord, stored: TokenRecord) -> bool:
    """Tell whether what a query brings is of the stored login; a query without any token is."""
    if query.refresh_token is not None:
        return query.refresh_token == stored.refresh_token
    brought = {name: getattr(query, name) for name in ("access_token", "grant_token")}
    pairs = [(text, getattr(stored, name)) for name, text in brought.items() if text is not None]
    return not pairs or any(text == other for text, other in pairs)


def is_foreign(record: TokenRecord, stored: TokenRecord) -> bool:
    """Tell whether a record is an access token alone, of no client, and the row is a client's."""
    alone = record.access_token and not (record.client_id or record.refresh_token or record.grant_token)
    return bool(alone and stored.client_id)


def agreement(record: TokenRecord, other: TokenRecord) -> int:
    """Return in how many of user, client and domain two records name the same."""
    return sum(
        getattr(record, name) is not None and getattr(record, name) == getattr(other, name) for name in OWNER
    )


def seed(record: TokenRecord) -> tuple[str | None, ...]:
    """Whom an id is derived for, told another way."""
    client = (record.client_id, record.api_domain)
    if record.user_name:
        return ("user_name", record.user_name, *client)
    if record.client_id is None and record.client_secret is None and record.access_token:
        return ("access_token", record.access_token)
    if record.client_id and record.client_secret and record.grant_token:
        return ("grant_token", record.grant_token, *client)
    if record.refresh_token:
        return ("refresh_token", record.refresh_token, *client)
    if record.access_token:
        return ("access_token", record.access_token)
    return ("grant_token", record.grant_token, *client)
