"""The check of words finds what it is for, and leaves code alone."""

from __future__ import annotations

from tests.docs import words


def test_words_are_found_with_their_lines() -> None:
    """In prose, in any case; not in code, nor as a part of another word."""
    page = "Start anew.\n```python\nhis = anew\n```\nThe `his` of his history.\nAnew\n"
    assert words.found_in(page) == [(1, "anew"), (5, "his"), (6, "Anew")]


def test_no_page_has_them() -> None:
    """`make lint` says so, too."""
    assert words.main() == 0
