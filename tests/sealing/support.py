"""Sealed stores with a few users in them, ways to call them, and a hand that changes what they store."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from tests.contract.stores import CASES
from tests.support.hostile import TEXTS
from zoho_tokenstore import Keyset, SealingError, TokenRecord, TokenRepository
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.backends.memory import MemoryBackend
from zoho_tokenstore.records import SECRET_COLUMNS, Row, row_from_record
from zoho_tokenstore.sealing import SealingKey
from zoho_tokenstore.sealing._cipher import AESGCMCipher

OLD, NEW, FOREIGN = (SealingKey(bytes([number]) * 32) for number in (1, 2, 3))

CLIENT: Final[dict[str, Any]] = {"client_id": "1000.ZYLKER", "client_secret": "zylkers-secret-5b1d0c7e9f"}
DOMAIN: Final = "https://www.zohoapis.eu"
FAR: Final = 4_102_444_800_000


def secret(kind: str, user: str) -> str:
    """A token as Zoho makes them, always the same one, no part of which is anywhere by chance."""
    digits = hashlib.sha256(f"{kind}:{user}".encode()).hexdigest()
    return f"1000.{digits[:32]}.{digits[32:]}"


def login(user: str, **fields: Any) -> TokenRecord:
    """What a login of a user saves: every field, as a self client has them, whose codes are kept."""
    tokens = {name: secret(name, user) for name in SECRET_COLUMNS if name != "client_secret"}
    given: dict[str, Any] = {
        "user_name": user,
        **CLIENT,
        **tokens,
        "expires_at_ms": FAR,
        "api_domain": DOMAIN,
    }
    return TokenRecord(**given | fields)


ALICE, BOB = login("alice@zylker.example"), login("bob@zylker.example")
USERS: Final = (ALICE, BOB)


SEALABLE_TEXTS: Final = TEXTS.filter(lambda text: "\0" not in text)
"""Secrets of any kind; none has a NUL, with which no token is taken."""

KINDS: Final = tuple(kind for kind in CASES if kind in ("csv", "list", "memory", "sqlite"))
"""The backends that need no server, by their schemes."""


def make_backend(kind: str, folder: Path) -> Backend:
    """A new backend of a kind, in a folder if it has files."""
    return CASES[kind].make_backend(folder)


def repository(backend: Backend, *keys: SealingKey | str, **options: Any) -> TokenRepository:
    """A repository with these keys, newest first."""
    return TokenRepository(backend, keys=Keyset(keys), **options)


class _Holding(ListBackend):
    """A storage that returns a row just as it is given to it."""

    row: Row

    def load(self, row_id: str) -> Row | None:
        return self.row


class Sealer:
    """Rows sealed as a repository with these keys seals them, and opened as it opens them."""

    def __init__(self, *keys: SealingKey | str) -> None:
        ring = Keyset(keys)
        self._sealing = AESGCMCipher(ring)
        self._storage = _Holding()
        self._tokens = TokenRepository(self._storage, keys=ring)

    def seal(self, row: Row) -> Row:
        """Return the row with its box and its digests, whatever its id."""
        return self._sealing.seal(row)

    def open(self, row: Row) -> Row:
        """Return the row with clear secrets, without digests."""
        self._storage.row = row
        record = self._tokens.get(row.id)
        assert record is not None
        return row_from_record(record, row.id)

    def opened(self, row: Row) -> Row | None:
        """Return it likewise, `None` if it is refused."""
        try:
            return self.open(row)
        except SealingError as error:
            if repr(row.id) not in str(error):
                raise
            return None


def queries(user: TokenRecord) -> dict[str, TokenRecord]:
    """One look-up by each key that a token can be found by, beside its id."""
    return {
        "user_name": TokenRecord(user_name=user.user_name),
        "access_token": TokenRecord(access_token=user.access_token),
        "grant_token": TokenRecord(grant_token=user.grant_token, **CLIENT),
        "refresh_token": TokenRecord(refresh_token=user.refresh_token, **CLIENT),
    }


def reads(user: TokenRecord, row_id: str) -> dict[str, Callable[[TokenRepository], object]]:
    """Every call of a repository that reads a user's secrets and returns them or fails, by a name."""

    def found_by(query: TokenRecord) -> Callable[[TokenRepository], object]:
        return lambda tokens: tokens.find(query)

    by_key = {f"find by {name}": found_by(query) for name, query in queries(user).items()}
    return {
        "get": lambda tokens: tokens.get(row_id),
        "find by id": lambda tokens: tokens.find(TokenRecord(id=row_id)),
        **by_key,
    }


def saves(user: TokenRecord, row_id: str) -> dict[str, TokenRecord]:
    """Records of a user's whose save updates his row."""
    renewed: dict[str, Any] = {"access_token": "1000.renewed"}
    return {
        "by id": TokenRecord(id=row_id, **renewed),
        "by name": TokenRecord(user_name=user.user_name, **renewed),
        "by refresh token": TokenRecord(refresh_token=user.refresh_token, **CLIENT, **renewed),
        "by grant token": TokenRecord(grant_token=user.grant_token, **CLIENT, **renewed),
        "by access token": TokenRecord(access_token=user.access_token, redirect_url="https://new.example"),
        "all of it": user.changed(access_token="1000.renewed"),
    }


def rows(backend: Backend) -> list[Row]:
    """What is stored, etags included."""
    return [row._replace(digests=dict(row.digests)) for row in backend.scan() if isinstance(row, Row)]


def stored(backend: Backend, row_id: str | None) -> Row:
    """The stored row with this id."""
    row = backend.load(row_id or "")
    assert row is not None
    return row


def change(backend: Backend, row_id: str | None, **columns: Any) -> Row:
    """Change columns of a stored row behind the repository's back; return what is stored then."""
    row = stored(backend, row_id)
    backend.write(row._replace(**columns), expect=row.etag)
    return stored(backend, row_id)


def change_digests(backend: Backend, row_id: str | None, **digests: str | None) -> None:
    """Set look-up digests of a stored row, or take them away."""
    held = {**stored(backend, row_id).digests, **digests}
    change(backend, row_id, digests={name: digest for name, digest in held.items() if digest is not None})


def replaced(row: Row, **columns: Any) -> Row:
    """The row with other values in some columns."""
    return row._replace(**columns)


def all_secrets(row: Row, text: str | None) -> Row:
    """The row with one text in all secret columns."""
    return with_secrets(row, (text,) * len(SECRET_COLUMNS))


def secrets_of(row: Row) -> tuple[str | None, ...]:
    """What stands in the secret columns of a row."""
    return row.client_secret, row.refresh_token, row.access_token, row.grant_token


def with_secrets(row: Row, secrets: tuple[str | None, ...]) -> Row:
    """The row with other texts in its secret columns."""
    return replaced(row, **dict(zip(SECRET_COLUMNS, secrets, strict=True)))


def box_of(row: Row) -> str:
    """The box of a sealed row."""
    assert row.client_secret is not None
    return row.client_secret


def bytes_of(backend: Backend, folder: Path) -> bytes:
    """Every byte that a backend stores, or that is in the folder: logs and indexes too."""
    if isinstance(backend, ListBackend):
        return repr([(*row[:-2], dict(row.digests)) for row in backend.scan()]).encode()
    if isinstance(backend, MemoryBackend):
        image: bytes = backend._connections.run(lambda handle: handle.open().serialize())
        return image
    return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


@contextlib.contextmanager
def raw(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a database, as somebody with a database browser has it; commits in the end."""
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        yield connection
