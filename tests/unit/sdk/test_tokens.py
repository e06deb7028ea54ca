"""Between the installed SDK's tokens and our records."""

from __future__ import annotations

import copy
import pickle
from itertools import pairwise
from typing import Any

import pytest

from zoho_tokenstore.errors import InvalidTokenError
from zoho_tokenstore.records import COLUMNS, TokenRecord
from zoho_tokenstore.sdk._tokens import CRM as tokens
from zoho_tokenstore.testing import fields_of, make_token
from zoho_tokenstore.testing._tokens import FIELDS, OAuthToken

TEXTS: dict[str, Any] = {name: f"the {name}" for name in COLUMNS if name != "expiry_time"}
FULL = TokenRecord(**TEXTS, expires_at_ms=4_102_444_800_000)
FULL_FIELDS = {name: f"the {name}" for name in FIELDS} | {"expires_in": "4102444800000"}
HAS_FIND_USER = "find_user" in OAuthToken.__init__.__code__.co_varnames


def kind(value: object) -> str:
    return type(value).__name__


def find_user_of(token: Any) -> object:
    """Return the SDK's private flag, for which it has no getter."""
    return vars(token)["_OAuthToken__find_user"]


class TestRecordOf:
    def test_every_field_is_read(self) -> None:
        """Each of the ten fields of a token is in the record, under its own name."""
        assert tokens.record_of(make_token(**FULL_FIELDS)) == FULL

    def test_missing_and_empty_fields_are_none(self) -> None:
        """A missing and an empty field are the same: nothing."""
        assert tokens.record_of(make_token()) == TokenRecord()
        assert tokens.record_of(make_token(**dict.fromkeys(FIELDS, ""))) == TokenRecord()
        assert tokens.record_of(make_token(user_name=None)) == TokenRecord()

    @pytest.mark.parametrize("text", ["4102444800000", 4102444800000, " 4102444800000"], ids=repr)
    def test_expiry_is_milliseconds(self, text: Any) -> None:
        """The SDK's `expires_in` is read as milliseconds since the epoch."""
        assert tokens.record_of(make_token(expires_in=text)).expires_at_ms == 4_102_444_800_000

    @pytest.mark.parametrize("value", ["soon", "1.5", "very-secret", [], object()], ids=kind)
    def test_an_expiry_that_is_no_number_is_refused(self, value: Any) -> None:
        """What the SDK could not read as an expiry is refused before it is stored, and not shown."""
        with pytest.raises(
            InvalidTokenError, match="expires_in must be a string of epoch milliseconds"
        ) as refused:
            tokens.record_of(make_token(expires_in=value))
        assert "very-secret" not in str(refused.value)
        assert refused.value.__cause__ is None

    @pytest.mark.parametrize("name", [name for name in FIELDS if name != "expires_in"])
    def test_a_field_that_is_no_text_is_refused(self, name: str) -> None:
        """A field that the SDK was given as something else is refused by its name."""
        with pytest.raises(InvalidTokenError, match=f"{name} must be text"):
            tokens.record_of(make_token(**{name: 1}))  # type: ignore[arg-type]

    @pytest.mark.parametrize("stranger", [None, "text", {}, 1, object(), OAuthToken], ids=kind)
    def test_what_is_no_token_is_refused(self, stranger: object) -> None:
        """Only an `OAuthToken` of the installed SDK is one; the error names what was passed."""
        with pytest.raises(InvalidTokenError, match=f"OAuthToken.*not {type(stranger).__name__}"):
            tokens.record_of(stranger)

    def test_a_subclass_is_a_token(self) -> None:
        """An application's own subclass of `OAuthToken` is accepted."""
        token = type("PortalToken", (OAuthToken,), {})(access_token="a")
        assert tokens.record_of(token) == TokenRecord(access_token="a")

    def test_bound_methods_of_another_token_are_not_believed(self) -> None:
        """A token into which the SDK has merged another is read by its own fields.

        `merge_objects` copies bound methods of its argument into the instance, too.
        """
        token = make_token(client_id="own")
        token.merge_objects(token, make_token(**FULL_FIELDS | {"client_id": "other"}))
        expected = FULL.changed(client_id="own", api_domain=token.get_api_domain())
        assert tokens.record_of(token) == expected


class TestPut:
    def test_every_field_is_written(self) -> None:
        """Each field of a record is in the token, in the SDK's own types."""
        token = make_token()
        tokens.put(FULL, token)
        assert fields_of(token) == FULL_FIELDS
        assert type(token.get_expires_in()) is str

    def test_missing_fields_are_left_alone(self) -> None:
        """A field that the record does not have stays as it was, but for what makes a login: that is one."""
        token = make_token(**FULL_FIELDS)
        tokens.put(TokenRecord(access_token="new"), token)
        gone = dict.fromkeys(("refresh_token", "grant_token", "expires_in"))
        assert fields_of(token) == FULL_FIELDS | {"access_token": "new"} | gone

    @pytest.mark.skipif(not HAS_FIND_USER, reason="the installed SDK has no find_user")
    @pytest.mark.parametrize("flag", [True, False])
    def test_find_user_stays_as_the_caller_set_it(self, flag: bool) -> None:
        """Filling a token keeps its `find_user`: the SDK asks for the user, or not, as before."""
        token = OAuthToken(access_token="a", find_user=flag)
        tokens.put(FULL, token)
        assert find_user_of(token) is flag

    def test_nothing_private_is_added(self) -> None:
        """Filling a token adds no attribute that its constructor did not make."""
        token = make_token()
        before = set(vars(token))
        tokens.put(FULL, token)
        assert set(vars(token)) == before


class TestNewToken:
    def test_every_field_is_there(self) -> None:
        """A new token is a plain `OAuthToken` with the ten fields of the record."""
        token = tokens.new_token(FULL)
        assert type(token) is OAuthToken
        assert fields_of(token) == FULL_FIELDS

    @pytest.mark.parametrize("name", FIELDS)
    def test_a_missing_field_is_none(self, name: str) -> None:
        """A field that the record does not have is `None`, and the others are not disturbed."""
        ours = "expires_at_ms" if name == "expires_in" else name
        token = tokens.new_token(FULL.changed(**{ours: None}))
        assert fields_of(token) == FULL_FIELDS | {name: None}
        if name == "user_name":
            assert token.get_user_signature() is None

    def test_attributes_are_those_of_the_constructor(self) -> None:
        """A new token has the attributes that the SDK's own constructor makes, no more and no less."""
        made = OAuthToken(id="1")
        assert set(vars(tokens.new_token(FULL))) == set(vars(made))
        assert set(vars(tokens.new_token(TokenRecord(id="1")))) == set(vars(made))

    @pytest.mark.skipif(not HAS_FIND_USER, reason="the installed SDK has no find_user")
    def test_find_user_is_the_constructors_default(self) -> None:
        """A new token looks its user up as one made by the constructor does."""
        assert find_user_of(tokens.new_token(FULL)) is find_user_of(OAuthToken(id="1"))

    def test_new_tokens_are_independent(self) -> None:
        """Tokens made of one record share nothing that can be changed."""
        made = [tokens.new_token(FULL) for _ in range(3)]
        made[0].set_access_token("changed")
        made[0].set_user_signature(None)
        vars(made[0])["extra"] = True
        for token in made[1:]:
            assert fields_of(token) == FULL_FIELDS
            assert "extra" not in vars(token)
        assert all(
            one.get_user_signature() is not other.get_user_signature() for one, other in pairwise(made)
        )

    @pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))])
    def test_new_tokens_can_be_copied(self, clone: Any) -> None:
        """A new token can be copied and pickled, and the copy speaks for itself."""
        token = tokens.new_token(FULL)
        twin = clone(token)
        token.set_access_token("changed")
        assert fields_of(twin) == FULL_FIELDS

    def test_the_sdk_can_merge_a_new_token(self) -> None:
        """The SDK's own merge, which runs after every look-up by id, takes all fields but the domain."""
        mine = make_token(id="the id")
        mine.merge_objects(mine, tokens.new_token(FULL))
        missing = {name for name, value in fields_of(mine).items() if value is None}
        assert missing <= {"api_domain"}

    def test_a_round_trip_is_the_same_record(self) -> None:
        """A record made a token and read again is the same record."""
        for record in (FULL, TokenRecord(access_token="a"), TokenRecord(id="1")):
            assert tokens.record_of(tokens.new_token(record)) == record
