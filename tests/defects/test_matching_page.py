"""The examples of docs/explanation/matching.md, run."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from zoho_tokenstore import ConflictError, InvalidTokenError, TokenRecord, TokenRepository, TokenStoreError
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.backends.memory import MemoryBackend

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "matching.md"

WORDS = {
    "id": "id",
    "user": "user_name",
    "client": "client_id",
    "secret": "client_secret",
    "refresh": "refresh_token",
    "access": "access_token",
    "grant": "grant_token",
    "domain": "api_domain",
    "redirect": "redirect_url",
    "expires": "expires_at_ms",
}


NAMED = "named"
"""Zoho itself named the user."""


def table(heading: str) -> list[tuple[str, str, str]]:
    """Return the rows of the table under a heading of the page."""
    text = PAGE.read_text(encoding="utf-8").partition(f"\n### {heading}\n")[2].partition("\n#")[0]
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return [(asked, stored, answer) for asked, stored, answer in lines[2:]]


def record(text: str) -> TokenRecord:
    if text == "nothing":
        return TokenRecord()
    words = (word.split("=") for word in text.strip("`").split() if word != NAMED)
    return TokenRecord().changed(
        **{WORDS[word]: int(value) if word == "expires" else value for word, value in words}
    )


@pytest.fixture(params=[ListBackend, MemoryBackend])
def tokens(request: pytest.FixtureRequest) -> TokenRepository:
    return TokenRepository(request.param(), clock=itertools.count(1_000).__next__)


def fill(tokens: TokenRepository, stored: str) -> dict[str | None, TokenRecord]:
    """Store the rows of an example, one later than the other."""
    for row in stored.split(" · "):
        token_id, _, fields = row.strip("`").partition(": ")
        given = record(fields)
        # What the example leaves open must not decide it: a token that nobody asks for.
        whole = given.changed(id=token_id, access_token=given.access_token or f"access of {token_id}")
        tokens.save(whole, identified=NAMED in fields.split())
    return {token.id: token for token in tokens.scan()}


@pytest.mark.parametrize(("asked", "stored", "answer"), table("Look-ups"))
def test_example_of_a_look_up(tokens: TokenRepository, asked: str, stored: str, answer: str) -> None:
    """A query finds the row that the page says, or none."""
    fill(tokens, stored)
    found = tokens.find(record(asked))
    assert (found.id if found else "none") == answer


@pytest.mark.parametrize(("saved", "stored", "outcome"), table("Saves"))
def test_example_of_a_save(tokens: TokenRepository, saved: str, stored: str, outcome: str) -> None:
    """A save changes the row that the page says, or adds one, or is refused; all other rows stay."""
    before = fill(tokens, stored)
    error: TokenStoreError | None = None
    try:
        written = tokens.save(record(saved))
    except (ConflictError, InvalidTokenError) as refusal:
        error, written = refusal, TokenRecord()
    after = {token.id: token for token in tokens.scan()}
    others = {token_id: token for token_id, token in after.items() if token_id != written.id}
    assert others == {token_id: token for token_id, token in before.items() if token_id != written.id}
    if error is not None:
        assert type(error).__name__ == outcome
    elif outcome.startswith("new row"):
        assert written.id not in before
        assert re.fullmatch(outcome.removeprefix("new row").strip() or r"9\d{8}", written.id or "")
    else:
        assert written.id == outcome


@pytest.mark.parametrize(("saved", "stored", "left"), table("What a save leaves"))
def test_example_of_what_a_save_leaves(tokens: TokenRepository, saved: str, stored: str, left: str) -> None:
    """A save leaves of the old and the new login what the page says."""
    fill(tokens, stored)
    tokens.save(record(saved), identified=NAMED in saved.strip("`").split())
    (row,) = tokens.scan()
    expected = record(left)
    assert {name: getattr(row, name) for name in WORDS.values() if name != "id"} == {
        name: getattr(expected, name) for name in WORDS.values() if name != "id"
    }


def test_page_has_examples_of_every_kind() -> None:
    """The tables are found on the page, with every kind of outcome."""
    assert {answer for _, _, answer in table("Look-ups")} == {"1", "2", "none"}
    outcomes = {outcome for _, _, outcome in table("Saves")}
    assert len(table("What a save leaves")) > 5
    assert outcomes == {"1", "new row", "new row 7", "ConflictError", "InvalidTokenError"}
