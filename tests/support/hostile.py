"""Hostile values for our own tests: the named ones of the contract, and texts for Hypothesis."""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

from zoho_tokenstore.testing import HOSTILE_TEXTS, INJECTIONS, LOOKALIKES
from zoho_tokenstore.testing._hostile import LONE_SURROGATE

__all__ = ["HOSTILE_TEXTS", "INJECTIONS", "KEPT_TEXTS", "LONE_SURROGATE", "LOOKALIKES", "TEXTS"]

TEXTS: Final = st.one_of(
    st.sampled_from([text for text in HOSTILE_TEXTS.values() if len(text) < 100]),
    st.sampled_from([text for pair in LOOKALIKES.values() for text in pair]),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12),
)
"""Valid, non-empty texts, the hostile ones often."""

KEPT_TEXTS: Final = TEXTS.filter(lambda text: "\0" not in text)
"""Those that a token may hold."""
