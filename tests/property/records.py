"""Token records for Hypothesis: from small pools, so that they meet, or of hostile texts."""

from __future__ import annotations

from typing import Any, Final, cast

from hypothesis import strategies as st

from tests.support.hostile import KEPT_TEXTS
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.testing._hostile import short_id

POOLS: Final[dict[str, list[str]]] = {
    "id": ["1", "2", "chosen"],
    "user_name": ["alice", "bob"],
    "client_id": ["portal", "library"],
    "client_secret": ["portal-secret", "library-secret"],
    "refresh_token": ["r1", "r2", "r3"],
    "access_token": ["a1", "a2", "a3"],
    "grant_token": ["g1", "g2"],
    "redirect_url": ["https://one.example", "https://two.example"],
    "api_domain": ["https://www.zohoapis.com", "https://sandbox.zohoapis.com"],
}
TEXT_FIELDS: Final = tuple(POOLS)
TIMES: Final = st.integers(min_value=0, max_value=2**43)


def _records(texts: dict[str, st.SearchStrategy[str]], times: st.SearchStrategy[int]) -> Any:
    fields = {name: st.none() | text for name, text in texts.items()}
    return st.builds(TokenRecord, **fields, expires_at_ms=st.none() | times, updated_at_ms=st.none() | times)


RECORDS: Final = _records(
    {name: st.sampled_from(pool) for name, pool in POOLS.items()}, st.integers(min_value=1, max_value=4)
)
"""Records that often have something in common."""

_HELD: Final = st.fixed_dictionaries(
    {
        name: st.sampled_from([pool[0], pool[0], *pool[1:], None])
        for name, pool in POOLS.items()
        if name != "id"
    },
    optional={"updated_at_ms": st.integers(min_value=1, max_value=4)},
)


@st.composite
def lookups(draw: st.DrawFn) -> tuple[TokenRecord, list[TokenRecord]]:
    """Return stored records, and a query that is a part of one of them, sometimes with a difference."""
    stored = [
        TokenRecord(**cast("dict[str, Any]", fields), id=str(n))
        for n, fields in enumerate(draw(st.lists(_HELD, min_size=1, max_size=6)))
    ]
    model = draw(st.sampled_from(stored))
    key = draw(st.sampled_from([name for name in TEXT_FIELDS if name != "redirect_url"]))
    fields = {name: getattr(model, name) for name in draw(st.sets(st.sampled_from(TEXT_FIELDS[1:])))}
    fields[key] = getattr(model, key)
    if draw(st.booleans()):
        changed = draw(st.sampled_from(TEXT_FIELDS[1:]))
        fields[changed] = draw(st.sampled_from(POOLS[changed]))
    return TokenRecord(**fields), stored


HOSTILE_RECORDS: Final = _records(
    dict.fromkeys(TEXT_FIELDS, KEPT_TEXTS) | {"id": KEPT_TEXTS.map(short_id)}, TIMES
)
"""Records of texts that break stores."""
