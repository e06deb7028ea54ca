"""What Hypothesis draws, for several tests."""

from __future__ import annotations

from hypothesis import strategies as st


def one_in(number: int) -> st.SearchStrategy[bool]:
    """True one time in so many; it shrinks to what is usual."""
    return st.integers(1, number).map(lambda drawn: drawn == number)
