"""Zoho names a user only where the SDK asked it to: in the call that looked an unnamed token up."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from typing import Any

import pytest

from zoho_tokenstore.sdk import identity
from zoho_tokenstore.sdk.identity import Lookup
from zoho_tokenstore.testing import make_token

HAS_FIND_USER = "find_user" in type(make_token()).__init__.__code__.co_varnames
needs_find_user = pytest.mark.skipif(not HAS_FIND_USER, reason="the installed SDK asks nobody for the user")

pytestmark = needs_find_user


@pytest.fixture(autouse=True)
def _on_the_sdks_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "is_asked_by_sdk", lambda: True)


def named(token: Any, name: str = "alice") -> Any:
    """Let somebody name the user of a token."""
    token.set_user_signature(make_token(user_name=name).get_user_signature())
    return token


def test_a_token_that_was_looked_up_without_a_name() -> None:
    """It is saved with one, by the same call of the SDK: Zoho has told it."""
    lookup, token = Lookup(), make_token(refresh_token="r")
    lookup.ended(token)
    assert lookup.is_identified(named(token))


def spoil_nothing_looked_up(lookup: Lookup, token: Any) -> Any:
    return named(token)


def spoil_named_before(lookup: Lookup, token: Any) -> Any:
    lookup.ended(named(token))
    return token


def spoil_named_before_another_look_up(lookup: Lookup, token: Any) -> Any:
    lookup.ended(token)
    lookup.ended(named(token))
    return token


def spoil_still_unnamed(lookup: Lookup, token: Any) -> Any:
    lookup.ended(token)
    return token


def spoil_another_object(lookup: Lookup, token: Any) -> Any:
    lookup.ended(token)
    return named(make_token(refresh_token="r"))


def spoil_object_gone(lookup: Lookup, token: Any) -> Any:
    gone = make_token(refresh_token="r")
    lookup.ended(gone)
    del gone
    gc.collect()
    return named(token)


def spoil_another_id(lookup: Lookup, token: Any) -> Any:
    lookup.ended(token)
    token.set_id("17")
    return named(token)


def spoil_looked_up_by_id_in_between(lookup: Lookup, token: Any) -> Any:
    lookup.ended(token)
    lookup.forget()
    return named(token)


def spoil_saved_already(lookup: Lookup, token: Any) -> Any:
    lookup.ended(token)
    lookup.is_identified(named(token))
    return token


def spoil_another_thread(lookup: Lookup, token: Any) -> Any:
    thread = threading.Thread(target=lookup.ended, args=[token])
    thread.start()
    thread.join(10)
    return named(token)


def spoil_find_user_off(lookup: Lookup, token: Any) -> Any:
    quiet = type(token)(client_id="c", client_secret="s", refresh_token="r", find_user=False)
    lookup.ended(quiet)
    return named(quiet)


SPOILS = {name: value for name, value in list(globals().items()) if name.startswith("spoil_")}


@pytest.mark.parametrize("spoil", SPOILS.values(), ids=SPOILS)
def test_any_other_way_is_the_applications_word(spoil: Callable[[Lookup, Any], Any]) -> None:
    """A name that came in any other way is not Zoho's."""
    lookup = Lookup()
    assert not lookup.is_identified(spoil(lookup, make_token(refresh_token="r")))


def test_outside_the_sdks_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """The application may look up and save by itself; that names nobody."""
    monkeypatch.setattr(identity, "is_asked_by_sdk", lambda: False)
    lookup, token = Lookup(), make_token(refresh_token="r")
    lookup.ended(token)
    assert not lookup.is_identified(named(token))


def test_a_token_is_not_kept_alive() -> None:
    """What the application has let go of is not held by the store."""
    import weakref

    lookup, token = Lookup(), make_token(refresh_token="r")
    lookup.ended(token)
    seen = weakref.ref(token)
    del token
    gc.collect()
    assert seen() is None
