"""The contract of `Leases`, the strings that all who share a storage compare and set."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import pytest

from zoho_tokenstore.backend import Leases
from zoho_tokenstore.testing._abilities import Ability, Declares
from zoho_tokenstore.testing._hostile import STORABLE_LOOKALIKES, STORABLE_TEXTS, short_id
from zoho_tokenstore.testing._rows import SKEW_MS, now_ms
from zoho_tokenstore.testing._subject import together

_SHORT_MS: Final = 300
"""So long that a busy server keeps a string between two calls."""

_KEEP_MS: Final = 600_000
_THREADS: Final = 8


class LeasesContract(Declares):
    """The tests that prove where leases are kept.

    Subclass it as ``Test…`` in a file that pytest collects, and define

    - ``make_leases(self, folder)``: return leases of which none is kept yet. `folder` is an empty
      folder of this test.
    - ``reopen(self, leases, folder)``: return a second handle on them, as another process would open
      it; or set ``abilities = frozenset()`` if there can be none.
    """

    def make_leases(self, folder: Path) -> Leases:
        """Return leases of which none is kept yet."""
        raise NotImplementedError(f"{type(self).__name__} must define make_leases(self, folder).")

    def reopen(self, leases: Leases, folder: Path) -> Leases:
        """Return a second handle on the same leases."""
        raise NotImplementedError(
            f"{type(self).__name__} must define reopen(self, leases, folder), or set abilities = frozenset()."
        )

    @pytest.fixture
    def leases(self, tmp_path: Path) -> Leases:
        """New leases."""
        return self.make_leases(tmp_path)

    @pytest.fixture
    def other(self, leases: Leases, tmp_path: Path) -> Leases:
        """A second handle on `leases`."""
        self.need(Ability.SHARED)
        return self.reopen(leases, tmp_path)

    def test_nothing_is_kept_at_first(self, leases: Leases) -> None:
        """An unused name holds the empty string, and reading it stores nothing."""
        assert leases.read("a").text == leases.read("a").text == ""
        assert leases.replace("a", "", "one", _KEEP_MS) is True
        assert leases.read("a").text == "one"
        assert leases.read("b").text == ""

    def test_replace_needs_what_is_kept(self, leases: Leases) -> None:
        """A string is stored only over the one that the caller has read; otherwise nothing changes."""
        assert leases.replace("a", "zero", "one", _KEEP_MS) is False
        assert leases.read("a").text == ""
        assert leases.replace("a", "", "one", _KEEP_MS) is True
        for was in ("", "two", "one ", "on", "one\n"):
            assert leases.replace("a", was, "three", _KEEP_MS) is False
            assert leases.read("a").text == "one"
        assert leases.replace("a", "one", "two", _KEEP_MS) is True
        assert leases.read("a").text == "two"

    def test_repetition_counts_as_done(self, leases: Leases) -> None:
        """Repeating a call, as after a lost answer, succeeds as long as its string is the one stored."""
        for _ in range(2):
            assert leases.replace("a", "", "one", _KEEP_MS) is True
        for _ in range(2):
            assert leases.replace("a", "one", "two", _KEEP_MS) is True
        assert leases.read("a").text == "two"

    def test_late_repetition_undoes_nothing(self, leases: Leases) -> None:
        """Repeating a call after others have replaced its string is refused."""
        leases.replace("a", "", "one", _KEEP_MS)
        leases.replace("a", "one", "two", _KEEP_MS)
        assert leases.replace("a", "", "one", _KEEP_MS) is False
        leases.replace("a", "two", "three", _KEEP_MS)
        assert leases.replace("a", "one", "two", _KEEP_MS) is False
        assert leases.read("a").text == "three"

    def test_texts_are_compared_exactly(self, leases: Leases) -> None:
        """Strings are compared code point by code point: case, spaces and normal forms count."""
        for name, pair in STORABLE_LOOKALIKES.items():
            one, two = map(short_id, pair)
            assert leases.replace(name, "", one, _KEEP_MS) is True, name
            assert leases.replace(name, "", two, _KEEP_MS) is False, name
            assert leases.replace(name, two, "three", _KEEP_MS) is False, name
            assert leases.read(name).text == one, name
            assert leases.replace(name, one, two, _KEEP_MS) is True, name
            assert leases.read(name).text == two, name

    def test_names_are_compared_exactly(self, leases: Leases) -> None:
        """Names are compared code point by code point, too."""
        for name, pair in STORABLE_LOOKALIKES.items():
            one, two = map(short_id, pair)
            assert leases.replace(one, "", "text", _KEEP_MS) is True, name
            assert leases.read(two).text == "", name
            assert leases.replace(two, "", "other", _KEEP_MS) is True, name
            assert (leases.read(one).text, leases.read(two).text) == ("text", "other"), name

    def test_hostile_texts_are_kept(self, leases: Leases) -> None:
        """Every hostile string comes back unchanged, can be replaced, and can replace another."""
        for name, text in STORABLE_TEXTS.items():
            assert leases.replace(name, "", text, _KEEP_MS) is True, name
            assert leases.read(name).text == text, name
            assert leases.replace(name, text, "plain", _KEEP_MS) is True, name
            assert leases.replace(name, "plain", text, _KEEP_MS) is True, name
            assert leases.replace(name, "plain", text, _KEEP_MS) is True, name
            assert leases.read(name).text == text, name

    def test_time_is_told(self, leases: Leases) -> None:
        """Each read returns the time in epoch milliseconds, which moves forward, never back."""
        first = leases.read("a").now_ms
        assert abs(first - now_ms()) < SKEW_MS
        began = time.monotonic()
        time.sleep(0.05)
        leases.replace("a", "", "one", _KEEP_MS)
        seen = [leases.read("a").now_ms for _ in range(5)]
        passed = (time.monotonic() - began) * 1000
        assert seen == sorted(seen)
        assert seen[0] - first >= 25
        assert seen[-1] - first <= passed + 1000

    def test_texts_are_kept_as_long_as_asked(self, leases: Leases) -> None:
        """A string that replaces another is kept as long as it asks, and outlives short-lived ones."""
        assert leases.replace("a", "", "one", _SHORT_MS) is True
        assert leases.replace("a", "one", "two", _KEEP_MS) is True
        time.sleep(_SHORT_MS / 1000)
        for number in range(20):
            assert leases.replace(f"short {number}", "", "text", 1) is True
        time.sleep(0.01)
        assert leases.read("a").text == "two"

    def test_one_of_many_firsts_wins(self, leases: Leases) -> None:
        """Of several threads that store the first string under a name at once, exactly one succeeds."""
        won = together(_THREADS, lambda number: leases.replace("a", "", str(number), _KEEP_MS))
        assert won.count(True) == 1
        assert leases.read("a").text == str(won.index(True))

    def test_one_of_many_replacements_wins(self, leases: Leases) -> None:
        """Of several threads that replace one string at once, exactly one succeeds."""
        leases.replace("a", "", "was", _KEEP_MS)
        won = together(_THREADS, lambda number: leases.replace("a", "was", str(number), _KEEP_MS))
        assert won.count(True) == 1
        assert leases.read("a").text == str(won.index(True))

    def test_handles_see_each_other(self, leases: Leases, other: Leases) -> None:
        """What one handle stores, another one reads at its next call, and can replace."""
        leases.replace("a", "", "one", _KEEP_MS)
        assert other.read("a").text == "one"
        assert other.replace("a", "one", "two", _KEEP_MS) is True
        assert leases.read("a").text == "two"
        assert leases.replace("a", "one", "late", _KEEP_MS) is False
        assert abs(leases.read("a").now_ms - other.read("a").now_ms) < 1000

    def test_handles_lose_no_replacement(self, leases: Leases, other: Leases) -> None:
        """Threads on two handles that count in one string, and retry what was refused, lose no count."""

        def count(number: int) -> None:
            done = 0
            while done < 5:
                handle = (leases, other)[number % 2]
                was = handle.read("a").text
                counted = int(was.partition(" ")[0] or "0") + 1
                done += handle.replace("a", was, f"{counted} {number}/{done}", _KEEP_MS)

        together(4, count)
        assert leases.read("a").text.startswith("20 ")
