"""The policy over a backend: matching, merging, ids, and events."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Unpack

from zoho_tokenstore import _matching as matching
from zoho_tokenstore._arguments import checked
from zoho_tokenstore._local_leases import LocalLeases
from zoho_tokenstore._matching import LookupKey, SpentCodes
from zoho_tokenstore._reading import Reader, Scan, Stored
from zoho_tokenstore._saving import Fence, Saver, Target
from zoho_tokenstore._unrevoked import RememberedTokens, ReplacedLogins
from zoho_tokenstore._util.clock import Clock, now_ms
from zoho_tokenstore._util.durations import ms
from zoho_tokenstore._util.opened import Opened
from zoho_tokenstore.audit import trail_of
from zoho_tokenstore.audit._emitting import EmitDetails, Emitter
from zoho_tokenstore.backend import Backend, Leases, SupportsCount, SupportsLeases, check_abilities
from zoho_tokenstore.errors import (
    ConfigurationError,
    RetiredIdError,
    TokenStoreError,
    forget_values,
    forgetting_values,
)
from zoho_tokenstore.events import EventKind, OnEvent
from zoho_tokenstore.records import SECRET_COLUMNS, TokenRecord, check_id, check_record
from zoho_tokenstore.sealing._cipher import check_store, cipher_for
from zoho_tokenstore.sealing._signing import signer_for

if TYPE_CHECKING:
    from zoho_tokenstore.sealing import KeysArg

__all__ = ["TokenRepository"]

_RECHECK_INTERVAL: Final = 5.0
"""How many seconds a look-up that finds nothing trusts that the store matches the keys."""


class TokenRepository(Opened):
    """Tokens in a backend, under the rules of docs/explanation/matching.md.

    It may be shared by all threads of a process. Every method raises a `BackendError` when the
    storage fails; none mistakes a failure for absence. An unreadable row harms only
    its own user: others are still found, listed and saved.

    Arguments:
        backend: where the rows live.
        keys: seals the secrets: a `Keyset`, the text of one (keys, ``file:PATH`` or
            ``keyring:SERVICE``), or a function that fetches keys. By default what the environment
            variable ``ZOHO_TOKENSTORE_KEYS`` holds; if there is none, secrets are stored unsealed,
            but with ``"required"`` that is refused.
        spent_codes: which one-time codes still find a token after their exchange:
            ``"self-client"`` those that came without a redirect URL, ``"find"`` all, ``"refuse"`` none.
        on_event: called with every `Event`.
        audit: `True` begins an audit trail in the store, if it has none. By default the trail is
            continued if there is one; with `False` nothing is written into it.
        clock: the program's time in milliseconds since the epoch, for tests; a storage has its own.

    Its attributes: `spent_codes` and `clock` as given; `cipher`, how the secrets are kept; `leases`, which
    every user of the storage sees if it `shares_leases`, and otherwise the threads of this process; `audit`,
    the trail, if it keeps one; `remembered` and `replaced`, logins that are to be revoked.

    Raises:
        ConfigurationError: an argument cannot be used, required keys are missing, or the storage
            cannot keep an audit trail.
    """

    @checked
    def __init__(
        self,
        backend: Backend,
        *,
        keys: KeysArg | None = None,
        spent_codes: SpentCodes = "self-client",
        on_event: OnEvent | None = None,
        audit: bool | None = None,
        clock: Clock = now_ms,
    ) -> None:
        check_abilities(backend)
        self._backend = backend
        self._checked = -_RECHECK_INTERVAL
        self.spent_codes: Final[SpentCodes] = spent_codes
        self.clock: Final = clock
        self.cipher: Final = cipher_for(keys, backend.location)
        signer = signer_for(self.cipher)
        self.audit: Final = trail_of(backend, signer, audit, on_event=on_event, clock=clock)
        self._emitter = Emitter(backend.location, on_event, self.audit, signer, clock)
        self.shares_leases: Final = isinstance(backend, SupportsLeases)
        self.leases: Final[Leases] = backend.leases if isinstance(backend, SupportsLeases) else LocalLeases()
        self._reader = Reader(backend, self.cipher, self._emitter.unreadable)
        self.remembered: Final = RememberedTokens(self.leases, self.cipher)
        self.replaced: Final = ReplacedLogins(self.remembered)
        self._saver = Saver(
            backend,
            self.cipher,
            self._reader,
            self.emit,
            spent_codes=spent_codes,
            clock=clock,
            on_replaced=self.replaced.note,
        )

    def __repr__(self) -> str:
        return f"TokenRepository({self.location!r})"

    @property
    def location(self) -> str:
        """Where the tokens are, without any password."""
        return self._backend.location

    def on_login(self, call: Callable[[TokenRecord], None]) -> None:
        """Call this with every new login, once it is stored. It must not raise."""
        self._saver.on_login = call

    def get(self, token_id: str) -> TokenRecord | None:
        """Return the token with this id, or `None`.

        Raises:
            InvalidTokenError: the id is not a string.
            SealingError, UnreadableRowError: there is a row, but it cannot be read.
        """
        # A separate function only for the unusual case: this runs before every API call.
        if token_id.__class__ is not str or "\0" in token_id or not token_id.isascii():
            check_id(token_id, "get")
        return self._reader.get(token_id)

    def find(self, query: TokenRecord, *, tell: bool = True) -> TokenRecord | None:
        """Return the stored token that a partial one means, or `None`.

        The first key that the query carries decides (id, user name, access token, grant token,
        refresh token); nothing falls through to another row.

        Arguments:
            query: the partial token.
            tell: whether finding nothing is an event.

        Raises:
            SealingError, UnreadableRowError: all that the key leads to cannot be read, and the query
                lacks what is needed to log in separately.
        """
        with forgetting_values():
            return self._find(query, tell)

    def _find(self, query: TokenRecord, tell: bool) -> TokenRecord | None:
        check_record(query, "find")
        keys = matching.keys_of(query, self.spent_codes)
        if not keys:
            if tell:
                self.emit(EventKind.NOT_MATCHED, query, reason="the query names nobody")
            return None
        stored, failures = self._reader.under(keys[0])
        found = matching.choose(query, keys[0], [row.record for row in stored])
        if found is None:
            if failures and not matching.can_log_in(query):
                raise failures[0]
            if not stored and any(getattr(query, name) for name in SECRET_COLUMNS):
                self._check_store()  # otherwise the caller would log in, and that would be refused
            if tell:
                reason = "other credentials are stored" if stored else f"no such {keys[0].index}"
                self.emit(EventKind.NOT_MATCHED, query, reason=reason)
        return found

    def save(
        self,
        record: TokenRecord,
        *,
        fence: Fence | None = None,
        identified: bool = False,
        known: Stored | None = None,
    ) -> TokenRecord:
        """Insert the token, or update its owner's row, and return what is stored now.

        A field that is missing in `record` keeps its stored value; but another login, known by its
        refresh or grant token, replaces the stored one with all its tokens.

        Arguments:
            record: the token.
            fence: what preceded it. If another refresh or login has been saved since, that
                one's tokens stay.
            identified: Zoho itself named the user in the exchange the token comes from.
            known: what `prove_writable` returned for the same row. While nobody changes that,
                the save takes a single call of the storage.

        Raises:
            InvalidTokenError: it is not a `TokenRecord`, or contains no token.
            RetiredIdError: its id belongs to a deleted token.
            ConflictError: its id belongs to another user or client, or others kept changing the
                row for longer than `CONFLICT_TIMEOUT`.
        """
        check_record(record, "save")
        try:
            return self._saver.save(record, fence, identified, known)
        except RetiredIdError as error:
            forget_values(error)
            self.emit(EventKind.SAVE_REFUSED, record, error=error, reason="it was deleted")
            raise
        except Exception as error:
            forget_values(error)
            self.emit(EventKind.SAVE_FAILED, record, error=error, reason=type(error).__name__)
            raise

    def prove_writable(self, record: TokenRecord) -> Stored | None:
        """Verify that a token can be stored for `record`, before its code or a renewal is used.

        Returns:
            the row that saving it would update, if there is one.

        Raises:
            BackendError: it could not be kept; nothing was changed.
        """
        with forgetting_values():
            return self._saver.prove_writable(record)

    def target(self, record: TokenRecord) -> Target:
        """Return the id under which `record` would be stored now, and whether that row exists."""
        with forgetting_values():
            stored = self._saver.stored_for(record)
            if stored is not None:
                return Target(stored.row.id, exists=True)
            return Target(record.id or self._saver.free_id(record), exists=False)

    def delete(self, token_id: str) -> bool:
        """Delete the token with this id; return whether there was one.

        The id is retired: no other token ever gets it, and nothing that still holds this one
        can bring it back.

        Raises:
            InvalidTokenError: the id is not a string.
        """
        check_id(token_id, "delete")
        about = self._about(token_id)
        removed = self._backend.remove(token_id)
        self._reader.forget(token_id)
        if removed:
            self.emit(EventKind.DELETED, about)
        self.replaced.forget(token_id)  # last: the storage may fail
        return removed

    def delete_if(self, token_id: str, condition: Callable[[TokenRecord], bool]) -> bool:
        """Delete the token with this id only while a condition holds for it; return whether it was deleted.

        What others save meanwhile is looked at again, and not deleted by mistake.

        Raises:
            SealingError, UnreadableRowError: there is a row, but it cannot be read.
            ConflictError: others kept changing the row for longer than `CONFLICT_TIMEOUT`.
        """
        about = self._about(token_id)
        with forgetting_values():
            removed = self._saver.delete_if(token_id, condition)
        if removed:
            self._reader.forget(token_id)
            self.emit(EventKind.DELETED, about)
            self.replaced.forget(token_id)
        return removed

    def record_use(self, token_id: str) -> None:
        """Note that a token is used now."""
        with forgetting_values():
            self._saver.record_use(token_id)

    def of_user(self, user_name: str) -> list[TokenRecord]:
        """Return all tokens of a user, whatever the client, as far as they can be read."""
        return [stored.record for stored in self._reader.under(LookupKey("user_name", user_name)).stored]

    def scan(self, *, limit: int | None = None) -> Scan:
        """Return an iterator over all tokens, or those of the first `limit` rows, in the order of their ids.

        Rows that cannot be read are left out and reported by events; its `unreadable` has them.
        """
        return self._reader.scan(limit)

    def clear(self) -> int:
        """Delete all tokens; return how many there were. In one step if the storage can."""
        count = self._backend.clear()
        self._reader.forget()
        self.emit(EventKind.CLEARED, TokenRecord(), count=count)
        self.replaced.forget()
        return count

    def count(self) -> int:
        """Return how many tokens are stored, including those that cannot be read."""
        if isinstance(self._backend, SupportsCount):
            return self._backend.count()
        return sum(1 for _ in self._backend.scan())

    def cleared_ms(self) -> int:
        """Return when all tokens were last deleted at once, in epoch milliseconds; 0 if never."""
        return self._backend.retired.cleared_ms()

    def is_retired(self, token_id: str) -> bool:
        """Return whether a token with this id was deleted. It reads all retired ids."""
        return any(retired.id == token_id for retired in self._backend.retired.scan())

    def prune_retired(self, older_than: timedelta, *, dry_run: bool = False) -> int:
        """Forget the ids of tokens that were deleted longer ago than that; return how many.

        From then on they may be given to a new login of the same user. So nobody may still hold one of
        them: keep them longer than any session of the application lasts. `dry_run` only counts them.

        Raises:
            ConfigurationError: `older_than` is not a `timedelta`, or is negative.
        """
        if not isinstance(older_than, timedelta) or older_than < timedelta(0):
            raise ConfigurationError("prune_retired: older_than must be a timedelta, not negative.")
        before_ms, retired = self.clock() - ms(older_than), self._backend.retired
        if dry_run:
            return sum(one.at_ms < before_ms for one in retired.scan())
        return retired.prune(before_ms)

    def emit(self, kind: EventKind, record: TokenRecord, **details: Unpack[EmitDetails]) -> None:
        """Report something that happened to `record`: in the audit trail, and to the observer."""
        self._emitter.emit(kind, record, **details)

    def close(self) -> None:
        """Close the backend. The repository cannot be used afterwards."""
        if self.audit is not None:
            self.audit.close()
        self._backend.close()
        self._reader.forget()

    def _check_store(self) -> None:
        """Refuse a store that is kept differently, unless it was just checked."""
        now = time.monotonic()
        if now >= self._checked + _RECHECK_INTERVAL:
            check_store(self._backend, self.cipher)
            self._checked = now

    def _about(self, token_id: str) -> TokenRecord:
        """Return whose token an id is, for its audit trail; without one, nothing is read for that."""
        if self.audit is not None:
            with contextlib.suppress(TokenStoreError):  # a row that cannot be read is deleted as well
                return self._reader.get(token_id) or TokenRecord(id=token_id)
        return TokenRecord(id=token_id)
