"""How a login ends: at Zoho, and here.

What ends here while Zoho cannot be reached is owed: it is noted in the store before the login is removed,
and paid later, by whichever process comes to it.
"""

from __future__ import annotations

import contextlib
import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from zoho_tokenstore._unrevoked import OWED, Entry
from zoho_tokenstore.errors import (
    AccountsError,
    AccountsUnavailableError,
    ConfigurationError,
    ConflictError,
    InvalidGrantError,
    SealingError,
    TokenNotFoundError,
    UnreadableRowError,
)
from zoho_tokenstore.events import EventKind
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.renewal._renewer import Renewer
from zoho_tokenstore.renewal._steps import Origin

_MOST_TRIES: Final = 5
"""How often a login is ended that others keep replacing."""


_USELESS: Final = 1 / 4
"""How much of a request without an answer one with a useless answer counts: it may be about one token."""


class Revoked(StrEnum):
    """What has become of a login at Zoho.

    `REVOKED`: it was alive, and no longer is. `ALREADY_DEAD`: Zoho did not know it any more. `OWED`: Zoho
    could not be asked; the store remembers it until it is paid.
    """

    REVOKED = "revoked"
    ALREADY_DEAD = "already_dead"
    OWED = "owed"


@dataclass
class Paid:
    """What has become of owed revocations."""

    revoked: int = 0
    already_dead: int = 0
    owed: int = 0
    reason: str | None = None


class Ending:
    """Ends the logins of a store.

    After `gives_up_after` requests in a row without an answer, an accounts server is not asked any more;
    others are. An answer that is of no use counts for a quarter of none, as it may be about one token.
    """

    def __init__(
        self, renewer: Renewer, origin: Callable[[], Origin], gives_up_after: float = math.inf
    ) -> None:
        self._renewer = renewer
        self._repository = renewer.repository
        self._remembered = renewer.repository.remembered
        self._origin = origin
        self._gives_up_after = gives_up_after
        self._unanswered: defaultdict[str, float] = defaultdict(float)

    def revoke(self, token_id: str, *, owes: bool = False) -> Revoked:
        """End a login with all that it replaced: at Zoho first, then here, so that it can be repeated.

        If it `owes`, the login also ends here if Zoho cannot be asked, and the revocation is owed; otherwise
        it stays, and an `AccountsError` is raised.
        """
        record = self._renewer.current(token_id)
        if record is None:
            raise TokenNotFoundError(f"There is no token with the id {token_id!r}.")
        for _ in range(_MOST_TRIES):
            done = self.end(record, owes=owes)
            record = self._renewer.current(token_id)
            if record is None:
                return done
        raise ConflictError(f"The login {token_id!r} is being replaced again and again. Try again.")

    def end(self, record: TokenRecord, *, owes: bool = False) -> Revoked:
        """End a login as it was found; one that has replaced it since stays. Otherwise as `revoke`."""
        done = self._at_zoho(record, owes=owes)
        self.remove(record)
        return done

    def owe(self, record: TokenRecord) -> list[Entry]:
        """Note that a login has to be revoked, with all that it replaced; return the notes."""
        logins = [record, *(replaced for _, replaced in self._replaced(record))]
        debts = [self._remembered.add(OWED, login) for login in logins]
        self._repository.emit(EventKind.REVOCATION_OWED, record)
        return debts

    def remove_owing(self, record: TokenRecord, remove: Callable[[], bool]) -> bool:
        """Remove a login here that has to be revoked; if `remove` lets it stay, nothing is owed."""
        debts = self.owe(record)  # first: a process that dies in between leaves a login to be revoked
        is_gone = remove()
        if not is_gone:
            self._remembered.drop(debts)
        return is_gone

    def give_back(self, record: TokenRecord, origin: Origin) -> None:
        """Revoke what Zoho has granted, but nobody keeps; or note that it is owed."""
        try:
            Ending(self._renewer, lambda: origin)._revoke(record)
        except (AccountsError, ConfigurationError):
            self._remembered.add(OWED, record)

    def remove(self, record: TokenRecord) -> bool:
        """Remove a login here, unless another one has replaced it; return whether it was there."""
        self._renewer.pending_saves.forget(record.id or "")
        return self._repository.delete_if(record.id or "", lambda stored: _is_still(record, stored))

    def debts(self) -> Iterator[Entry]:
        """Yield what is owed, as it is noted."""
        return self._remembered.scan(OWED)

    def pay_debts(
        self, wanted: Callable[[TokenRecord], bool] = lambda _: True, *, dry_run: bool = False
    ) -> Paid:
        """Revoke what is owed of some logins, or only count it, and remove those that are still here."""
        paid = Paid()
        for debt in self.debts():
            if not wanted(debt.owner):
                continue
            try:
                done = self._pay(debt, dry_run=dry_run)
            except (AccountsError, ConfigurationError, ConflictError, SealingError) as error:
                done, paid.reason = Revoked.OWED, paid.reason or str(error)
            paid.revoked += done is Revoked.REVOKED
            paid.already_dead += done is Revoked.ALREADY_DEAD
            paid.owed += done is Revoked.OWED
        return paid

    def _pay(self, debt: Entry, *, dry_run: bool) -> Revoked:
        record = self._remembered.open(debt)
        if dry_run:
            return Revoked.OWED
        done = self._revoke(record)
        if record.id is not None:
            with contextlib.suppress(SealingError, UnreadableRowError):  # nobody can use such a row
                self.remove(record)
        self._remembered.drop([debt])
        return done

    def _at_zoho(self, record: TokenRecord, *, owes: bool) -> Revoked:
        try:
            for entry, replaced in self._replaced(record):
                self._revoke(replaced)
                self._remembered.drop([entry])
            return self._revoke(record)
        except (AccountsError, ConfigurationError):
            if not owes:
                raise
        self.owe(record)
        return Revoked.OWED

    def _replaced(self, record: TokenRecord) -> Iterator[tuple[Entry, TokenRecord]]:
        for entry in self._repository.replaced.of(record.id or ""):
            try:
                replaced = self._remembered.open(entry)
                if replaced.refresh_token != record.refresh_token:  # otherwise the new login was not saved
                    yield entry, replaced
            except SealingError:  # nobody here can revoke it: that must not keep the login alive
                reason = "a login that it replaced does not open with the keys given here, and stays alive"
                self._repository.emit(EventKind.ROW_UNREADABLE, record, reason=reason)

    def _revoke(self, record: TokenRecord) -> Revoked:
        token = record.refresh_token or record.access_token
        if token is None:
            return Revoked.ALREADY_DEAD
        if not self._revoked_at(self._origin().accounts_url_of(record), token):
            return Revoked.ALREADY_DEAD
        self._repository.emit(EventKind.REVOKED, record)
        return Revoked.REVOKED

    def _revoked_at(self, url: str, token: str) -> bool:
        """Revoke a token at an accounts server, unless it has been silent; return whether it was alive."""
        if self._unanswered[url] >= self._gives_up_after:
            raise AccountsUnavailableError(f"{url} did not answer the last requests. Try again later.")
        is_alive = True
        try:
            self._renewer.accounts(url).revoke(token)
        except InvalidGrantError:  # it has ended already
            is_alive = False
        except AccountsError as error:
            has_answered = isinstance(error, AccountsUnavailableError) and error.is_answered
            self._unanswered[url] += _USELESS if has_answered else 1
            raise
        self._unanswered[url] = 0
        return is_alive


def _is_still(record: TokenRecord, stored: TokenRecord) -> bool:
    """Return whether a stored login is the one that ends: a renewal keeps its refresh token."""
    for name in ("refresh_token", "access_token", "grant_token"):
        token = getattr(record, name)
        if token is not None or getattr(stored, name) is not None:
            return bool(token == getattr(stored, name))
    return True
