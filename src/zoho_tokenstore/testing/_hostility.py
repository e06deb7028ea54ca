"""Clauses about strings that break stores."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import pytest

from zoho_tokenstore.testing._hostile import HOSTILE_TEXTS, INJECTIONS, LONE_SURROGATE, LOOKALIKES
from zoho_tokenstore.testing._subject import StoreSubject
from zoho_tokenstore.testing.steps import (
    ALICE,
    BOB,
    CLIENT,
    FIELDS,
    Fields,
    all_fields,
    assert_missing,
    attempt,
    by_id,
    fields_of,
    found,
    in_order,
    login,
    make_token,
    stored,
)

_TEXTS: Final = [name for name in FIELDS if name != "expires_in"]
_BY_BROWSER: Final = login("alice", grant_token=None)
"""With a redirect URL, where a store may forget the code."""


def by_key(store: Any, fields: Fields) -> list[Fields | None]:
    """Return what each key of a stored token finds."""
    client = {name: fields[name] for name in ("client_id", "client_secret")}
    by_credentials = [name for name in ("grant_token", "refresh_token") if fields.get(name)]
    return [
        by_id(store, fields["id"]),
        found(store, user_name=fields["user_name"]),
        found(store, access_token=fields["access_token"]),
        *(found(store, **client, **{name: fields[name]}) for name in by_credentials),
    ]


class HostilityClauses(StoreSubject):
    """A text is kept exactly as it is, or refused; it is never understood, cut or folded."""

    @pytest.mark.parametrize("name", HOSTILE_TEXTS)
    def test_hostile_texts_come_back(self, store: Any, name: str) -> None:
        """Every hostile string comes back unchanged from every field, by every key, or is refused."""
        for field in _TEXTS:
            fields = (_BY_BROWSER if field == "redirect_url" else ALICE) | {field: HOSTILE_TEXTS[name]}
            saved, refusal = attempt(partial(stored, store, fields))
            if saved is None:
                assert refusal, f"{field}: refused silently"
                assert all_fields(store) == [], f"{field}: refused, and yet stored"
                continue
            assert saved == dict.fromkeys(FIELDS) | {"id": saved["id"]} | fields, field
            assert fields_of(store.find_token_by_id(saved["id"])) == saved, field
            assert all(answer == saved for answer in by_key(store, saved)), field
            assert all_fields(store) == [saved], field
            store.delete_token(saved["id"])
            assert all_fields(store) == [], field

    @pytest.mark.parametrize("field", _TEXTS)
    def test_lone_surrogates_are_refused(self, store: Any, field: str) -> None:
        """A string that isn't valid Unicode is refused, and nothing is stored or changed."""
        alice = stored(store, ALICE)
        with pytest.raises(Exception, match=r"."):
            store.save_token(make_token(**{**login("bob"), field: LONE_SURROGATE}))
        assert all_fields(store) == [alice]

    @pytest.mark.parametrize("pair", LOOKALIKES)
    @pytest.mark.parametrize("field", ["id", "user_name", "access_token"])
    def test_lookalikes_are_different(self, store: Any, field: str, pair: str) -> None:
        """Ids, names and tokens that look alike belong to different owners, or are refused."""
        one, two = LOOKALIKES[pair]
        first = {"access_token": "1000.a.1", field: one}
        second = {"access_token": "1000.a.2", field: two}
        a, a_refused = attempt(partial(stored, store, first))
        assert a is not None or a_refused, "refused without a word"
        other, _ = attempt(partial(found, store, **{field: two}))
        assert other is None
        b, b_refused = attempt(partial(stored, store, second))
        assert b is not None or b_refused, "refused without a word"
        assert all_fields(store) == in_order(filter(None, (a, b)))
        for text, saved in ((one, a), (two, b)):
            assert (
                saved is None
                or (by_id(store, text) if field == "id" else found(store, **{field: text})) == saved
            )

    @pytest.mark.parametrize("pair", LOOKALIKES)
    @pytest.mark.parametrize("key", ["refresh_token", "grant_token"])
    def test_lookalike_credentials_are_different(self, store: Any, key: str, pair: str) -> None:
        """Refresh and grant tokens that look alike are different tokens, or are refused."""
        one, two = LOOKALIKES[pair]
        # With access tokens: a store may renew what has none when it is looked up.
        first = {**CLIENT, key: one, "access_token": "1000.a.1"}
        second = {**CLIENT, key: two, "access_token": "1000.a.2"}
        a, a_refused = attempt(partial(stored, store, first))
        assert a is not None or a_refused, "refused without a word"
        other, _ = attempt(partial(found, store, **CLIENT, **{key: two}))
        assert other is None
        b, b_refused = attempt(partial(stored, store, second))
        assert b is not None or b_refused, "refused without a word"
        assert all_fields(store) == in_order(filter(None, (a, b)))
        assert a is None or found(store, **CLIENT, **{key: one}) == a

    @pytest.mark.parametrize("name", INJECTIONS)
    def test_injections_do_nothing(self, store: Any, name: str) -> None:
        """A string that means something to a storage finds nothing and deletes nothing."""
        text = INJECTIONS[name]
        saved = in_order((stored(store, ALICE), stored(store, BOB)))
        assert_missing(store, text)
        assert attempt(partial(found, store, id=text))[0] is None
        assert found(store, user_name=text) is None
        assert found(store, access_token=text) is None
        assert found(store, **CLIENT, refresh_token=text) is None
        assert found(store, **CLIENT, grant_token=text) is None
        attempt(lambda: store.delete_token(text))
        assert all_fields(store) == saved

    @pytest.mark.parametrize("name", INJECTIONS)
    def test_injections_are_saved_as_text(self, store: Any, name: str) -> None:
        """A user whose name means something to a storage gets their own row, and nobody else's."""
        alice = stored(store, ALICE)
        mallory = stored(store, login("mallory", user_name=INJECTIONS[name]))
        assert found(store, user_name=INJECTIONS[name]) == mallory
        assert found(store, user_name=ALICE["user_name"]) == alice
        store.delete_token(mallory["id"])
        assert all_fields(store) == [alice]
