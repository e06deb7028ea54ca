"""Clauses about a damaged row: it harms its own user at most."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from zoho_tokenstore.testing._abilities import Ability
from zoho_tokenstore.testing._secrecy import files_of
from zoho_tokenstore.testing._subject import StoreSubject, close_store
from zoho_tokenstore.testing.steps import (
    ALICE,
    BOB,
    CLIENT,
    Fields,
    all_fields,
    by_id,
    found,
    login,
    stored,
)

_MALLORY: Final = login(
    "mallory", grant_token=None, redirect_url="https://damaged.zylker.example/oauth/callback"
)
_KINDS: Final = ("cut", "garbled")


class DamageClauses(StoreSubject):
    """Of a store with a damaged row everybody else notices nothing."""

    def damage(self, folder: Path, user: Fields, kind: str) -> None:
        """Damage the row of a user in a closed store: its end is cut off, or garbled.

        A text file loses the rest of the line, beginning with the user's redirect URL, or gets bytes there
        that are no text; in other files the URL becomes zeros, or such bytes. Define it for a store that
        keeps its rows elsewhere, or the URL not in plain text.
        """
        text = str(user["redirect_url"]).encode()
        hit = [path for path in files_of(folder) if text in path.read_bytes()]
        if not hit and Ability.SEALED in self.abilities:
            pytest.skip("the place of a sealed row can't be found; define damage(self, folder, user, kind)")
        assert hit, "no file has a user's redirect URL: define damage(self, folder, user, kind)"
        for path in hit:
            path.write_bytes(_damaged(path.read_bytes(), text, kind))

    @contextmanager
    def with_damage(self, folder: Path, kind: str) -> Iterator[tuple[Any, Fields, Fields]]:
        """Yield a store where a row between two others is damaged, and these two."""
        self.need(Ability.FILES, Ability.PERSISTENT)
        store = self.new_store(folder)
        alice, mallory, bob = (stored(store, fields) for fields in (ALICE, _MALLORY, BOB))
        close_store(store)
        self.damage(folder, mallory, kind)
        again = self.reopen(None, folder)
        yield again, alice, bob
        close_store(again)

    @pytest.mark.parametrize("kind", _KINDS)
    def test_damage_hides_nobody_else(self, tmp_path: Path, kind: str) -> None:
        """Beside a damaged row, every other user is found by every key."""
        with self.with_damage(tmp_path, kind) as (store, *others):
            for user in others:
                assert by_id(store, user["id"]) == user
                assert found(store, user_name=user["user_name"]) == user
                assert found(store, access_token=user["access_token"]) == user
                assert found(store, **CLIENT, refresh_token=user["refresh_token"]) == user
            assert found(store, **login("carol")) is None

    @pytest.mark.parametrize("kind", _KINDS)
    def test_damage_spoils_no_list(self, tmp_path: Path, kind: str) -> None:
        """Beside a damaged row, `get_tokens` returns every other token."""
        with self.with_damage(tmp_path, kind) as (store, alice, bob):
            listed = all_fields(store)
            assert alice in listed
            assert bob in listed

    @pytest.mark.parametrize("kind", _KINDS)
    def test_damage_stops_no_save(self, tmp_path: Path, kind: str) -> None:
        """Beside a damaged row, others' tokens are renewed and other users log in."""
        with self.with_damage(tmp_path, kind) as (store, alice, bob):
            renewed = stored(store, alice | {"access_token": "1000.renewed"})
            carol = stored(store, login("carol"))
            assert [by_id(store, user["id"]) for user in (renewed, bob, carol)] == [renewed, bob, carol]


def _damaged(content: bytes, text: bytes, kind: str) -> bytes:
    if kind == "cut" and b"\0" not in content:
        return re.sub(re.escape(text) + rb"[^\r\n]*", b"", content)
    return content.replace(text, (b"\0" if kind == "cut" else b"\xff") * len(text))
