"""Makes ids, derived from whom a token is for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final

from zoho_tokenstore._matching import Index, LookupKey, keys_of
from zoho_tokenstore.records import TokenRecord

_FIRST_ID: Final = 900_000_000
_IDS: Final = 90_000_000


def candidate_ids(record: TokenRecord, hour: int) -> Iterator[str]:
    """Yield the ids a new row may take, in order: nine digits, derived from whom it is for.

    Two processes that insert one user at once derive the same id, so that one of them finds
    the row taken and updates it. The leading 9 keeps the published code working alongside: it
    numbers by the greatest string, plus one. Nine digits, because some of Zoho's SDKs read ids as
    32-bit numbers.

    Arguments:
        record: the token.
        hour: the number of this hour. All ids but the first depend on it: logging out and in again every
            hour finds a free one at once, however many former ids are retired.
    """
    seed = _identity(record)
    yield _id(f"0\0{seed}")
    step = 1
    while True:
        yield _id(f"{step}\0{hour}\0{seed}")
        step += 1


def _id(seed: str) -> str:
    return str(_FIRST_ID + int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8]) % _IDS)


def _identity(record: TokenRecord) -> str:
    key = next((key for key in keys_of(record) if key.index != "id"), None) or _any_token(record)
    parts = [key.index, key.value]
    if key.index != "access_token":
        parts += [record.client_id or "", record.api_domain or ""]
    # Lengths first, so that no two lists of parts give one seed.
    return "".join(f"{len(part)}:{part}" for part in parts)


def _any_token(record: TokenRecord) -> LookupKey:
    tokens: list[tuple[Index, str | None]] = [
        ("refresh_token", record.refresh_token),
        ("access_token", record.access_token),
        ("grant_token", record.grant_token),
    ]
    return next(LookupKey(index, value) for index, value in tokens if value is not None)
