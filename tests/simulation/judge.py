"""What must always hold, judged by what takes effect in the store and at Zoho, not by the protocol's word."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from tests.simulation.plan import Plan
from tests.simulation.processes import Process, Renewing
from tests.simulation.scene import Scene
from tests.simulation.world import Violation
from zoho_tokenstore._util.durations import ms
from zoho_tokenstore.errors import AccountsError
from zoho_tokenstore.records import Row, TokenRecord, record_from_row
from zoho_tokenstore.renewal import _protocol as protocol
from zoho_tokenstore.renewal._lease_entry import LeaseEntry

_LONGEST_PAUSE: Final = 0.1
_PLAUSIBLE: Final = 2
"""A lease that ends in more than so many times its length was taken before the clock was set back."""


@dataclass
class Credential:
    """What happened to one refresh token or code.

    `holder` has the lease until `until_ms`, by the store's clock; it was taken at `taken_ms`.
    """

    holder: Renewing | None = None
    until_ms: int = 0
    taken_jumps: int = 0
    sent_ms: list[int] = field(default_factory=list)
    is_rejected: bool = False
    shut_ms: int = 0
    sendings: int = 0


@dataclass
class Account:
    """What happened to one renewal."""

    taken_ms: int | None = None
    is_ended: bool = False
    is_told: bool = False
    sendings: int = 0
    verdict: str | None = None
    turns_late: int = 0  # since the last try to take the lease


class Judge:
    """Raises a `Violation` when something happens that must not; counts the rest."""

    def __init__(self, scene: Scene) -> None:
        self.counts: Final[Counter[str]] = Counter()
        self.results: Final[list[TokenRecord | Exception | None]] = []
        self.requests = 0
        self._scene = scene
        self._plan: Final[Plan] = scene.plan
        self._credentials: Final[dict[str, Credential]] = {}
        self._accounts: Final[dict[str, Account]] = {}
        self._tried: Final[dict[str, int]] = {}
        self._logins: Final[dict[bool, list[tuple[str, Process]]]] = {True: [], False: []}
        self._deleted: Final[set[str]] = set()
        self._written: Final[list[tuple[int, str | None]]] = []
        self._removed_ms: Final[dict[str, int]] = {}
        self._has_removed = False
        self._in_lease_etag: object = None
        self._timeout_ms: Final = ms(scene.plan.policy.timeout)
        self._window_ms: Final = ms(scene.plan.policy.window)

    # ---- the store

    def replaced(self, by: object, name: str, text: str) -> None:
        """A text was stored beside a lease."""
        if name.startswith("replaced/"):  # a login, remembered until it is revoked
            return
        assert isinstance(by, Renewing)
        entry = LeaseEntry.parse(text)
        credential = self._credentials.setdefault(name, Credential())
        if entry.owner == by.ask.owner:
            self._took(by, credential)
        else:
            self._ended(by, credential)

    def _took(self, by: Renewing, credential: Credential) -> None:
        store = self._scene.store
        self._accounts[by.ask.owner] = Account(taken_ms=by.kept.now_ms)
        same_clock = store.jumps == by.jumps == credential.taken_jumps
        if credential.holder is not None:
            self.counts["a lease ran out"] += 1
            if same_clock and self._is_held(credential, store.now_ms()):
                raise Violation(f"{by} takes the lease that {credential.holder} holds")
        if credential.is_rejected and not (by.ask.is_forced and not by.ask.is_code):
            raise Violation(f"{by} renews what Zoho has rejected")
        if same_clock and by.kept.now_ms < credential.shut_ms:
            raise Violation(f"{by} renews before the time that was told")
        row = self._row(by)
        if row is not None and row.etag == self._in_lease_etag and by.ask.is_enough(record_from_row(row)):
            raise Violation(f"{by} renews what somebody has renewed under the lease before")
        credential.holder, credential.until_ms = by, by.kept.now_ms + self._timeout_ms
        credential.taken_jumps = by.jumps
        credential.is_rejected, credential.shut_ms = False, 0

    def _ended(self, by: Renewing, credential: Credential) -> None:
        if credential.holder is not by:
            raise Violation(f"{by} ends the lease of {credential.holder}")
        self._account(by).is_ended = True
        credential.holder = None
        self._note(by, credential)

    def _note(self, by: Renewing, credential: Credential) -> None:
        verdict = self._account(by).verdict
        if verdict == "rejected" or (verdict == "uncertain" and by.ask.is_code):
            credential.is_rejected = True
        elif verdict == "throttled":
            credential.shut_ms = by.kept.now_ms + self._window_ms
        elif verdict in ("transient", "uncertain") and not self._plan.forced:
            credential.shut_ms = by.kept.now_ms + 500

    def wrote(self, by: object, saved: str | None, old: Row | None, new: Row) -> None:
        """A row was written, by who wanted to save something of the login `saved`."""
        self._in_lease_etag = None
        if isinstance(by, Renewing) and self._holds(by):
            self._in_lease_etag = new.etag
        self._written.append((self._scene.world.now, saved))
        if old is None:
            if new.refresh_token in self._deleted:
                raise Violation(f"{by} brings back the deleted login {new.refresh_token}")
            return
        if old.refresh_token != new.refresh_token:
            self._check_logins(by, old, new)
        elif old.access_token != new.access_token:
            self._check_tokens(by, old, new)

    def _check_logins(self, by: object, old: Row, new: Row) -> None:
        if old.refresh_token is None or not self._plan.clocks_agree:
            return
        if new.refresh_token is None:
            raise Violation(f"{by} takes the login {old.refresh_token} away")
        self.counts["another login"] += 1
        before, after = self._tried.get(old.refresh_token, -1), self._tried.get(new.refresh_token, -1)
        if before > after:
            raise Violation(
                f"{by} replaces the login {old.refresh_token} by {new.refresh_token}, an older one"
            )

    def _check_tokens(self, by: object, old: Row, new: Row) -> None:
        if old.access_token is None:
            return
        if new.access_token is None:
            raise Violation(f"{by} takes the access token {old.access_token} away")
        before, after = (self._scene.zoho.minted[token] for token in (old.access_token, new.access_token))
        process = by.process if isinstance(by, Renewing) else by
        assert isinstance(process, Process)
        lives = old.expiry_time is None or int(old.expiry_time) > process.clock()
        if after.number < before.number and lives:
            raise Violation(f"{by} replaces {old.access_token} by {new.access_token}, an older token")

    def removed(self, rows: list[Row]) -> None:
        """Rows were deleted."""
        self._removed_ms.update((row.id, self._scene.world.now) for row in rows)
        if self._plan.kind != "refresh token":  # with that at hand one logs in again
            self._deleted.update(row.refresh_token for row in rows if row.refresh_token)

    # ---- renewals

    def goes_on(self, renewing: Renewing, step: protocol.Step) -> None:
        """A renewal asks for its next step."""
        account, now = self._account(renewing), self._scene.world.seconds()
        late = now - renewing.began - renewing.ask.wait
        if isinstance(step, protocol.Read):
            account.turns_late += late > 0 and renewing.ask.wait > 0
            if account.turns_late > 1:
                raise Violation(f"{renewing} goes on after its time")
        elif isinstance(step, protocol.Pause):
            self.counts["a pause"] += 1
            if late > 0 or not 0 < step.seconds <= _LONGEST_PAUSE:
                raise Violation(f"{renewing} waits too long")
            self._check_held(renewing)
        elif isinstance(step, protocol.Replace):
            account.is_told = step.entry.owner is None
            if not account.is_told:  # overtaken before, it begins again
                account.verdict = None
            account.turns_late = 0

    def _check_held(self, renewing: Renewing) -> None:
        """What a renewal has read must say that somebody is at it: else it would know the outcome."""
        entry, now = LeaseEntry.parse(renewing.kept.text), renewing.kept.now_ms
        if entry.owner is None or not now < entry.until_ms <= now + _PLAUSIBLE * self._timeout_ms:
            raise Violation(f"{renewing} waits for nobody: {entry}")

    def sends(self, renewing: Renewing) -> None:
        """A request is sent."""
        account = self._account(renewing)
        credential = self._credentials.get(renewing.name)
        self.requests += 1
        account.sendings += 1
        if credential is None or account.taken_ms is None:
            raise Violation(f"{renewing} sends without a lease")
        removed_ms = self._removed_ms.get(self._scene.asked.id or "")
        if (
            removed_ms is not None
            and removed_ms < renewing.read_ms
            and not renewing.process.pending_saves.kept
        ):
            raise Violation(f"{renewing} renews what was deleted")
        if account.sendings > 1:
            raise Violation(f"{renewing} sends twice under one lease")
        credential.sendings += 1
        if renewing.ask.is_code and credential.sendings > 1:
            raise Violation(f"{renewing} sends a one-time code again")
        credential.sent_ms.append(account.taken_ms)
        if not self._scene.store.jumps:
            self._check_budget(renewing, credential.sent_ms)

    def _check_budget(self, renewing: Renewing, sent_ms: list[int]) -> None:
        for end in sent_ms:
            within = sum(end - self._window_ms < at <= end for at in sent_ms)
            if within > self._plan.policy.budget:
                raise Violation(f"{renewing} sends one more than the budget allows")

    def answered(self, renewing: Renewing, error: AccountsError | None, *, sent: bool) -> None:
        """A renewal knows what came of its request."""
        verdict = "granted" if error is None else error.kind
        self._account(renewing).verdict = verdict
        self.counts[verdict] += 1
        if verdict in ("transient", "throttled"):  # certainly not spent
            self._credentials[renewing.name].sendings -= 1

    def tries(self, process: Process, refresh_token: str | None, *, is_own: bool = False) -> None:
        """A login is about to be saved for the first time; `is_own`: of the application's own doing."""
        if refresh_token is not None and refresh_token not in self._tried:
            self._tried[refresh_token] = self._scene.world.now
            is_apart = is_own and not self._plan.kind.startswith("stored")
            self._logins[is_apart].append((refresh_token, process))

    def keeps(self, renewing: Renewing, login: str | None, forgotten: set[str | None]) -> None:
        """A renewal of `login` has been saved, and some logins are no longer kept to be saved late."""
        tried = {other: self._tried.get(other or "", -1) for other in forgotten | {login}}
        if login is not None and not self._has_removed and max(tried.values()) > tried[login]:
            raise Violation(f"{renewing} of {login} forgets the late {forgotten}")

    def removes(self) -> None:
        """An application deletes tokens, or tries to: what was kept to be saved is forgotten at once."""
        self._has_removed = True

    def lands(self, renewing: Renewing, record: TokenRecord | None, error: Exception | None) -> None:
        """A renewal has ended."""
        account = self._accounts.pop(renewing.ask.owner, Account())
        credential = self._credentials.get(renewing.name)
        if account.verdict not in (None, "granted") and not account.is_told and credential is not None:
            if credential.holder is renewing:
                credential.holder = None
            self._accounts[renewing.ask.owner] = account
            self._note(renewing, credential)  # it had to be told, and who renews again will be caught
        if record is not None and record.access_token not in self._scene.zoho.minted:
            raise Violation(f"{renewing} brings {record.access_token}, which Zoho has not minted")

    def looked_up(self, found: TokenRecord | Exception | None) -> None:
        """A look-up has ended."""
        self.results.append(found)

    # ---- at the end

    def check_calm(self) -> None:
        """When nothing goes wrong, one request serves everybody."""
        if self.requests != 1:
            raise Violation(f"{self.requests} requests, where nothing went wrong")
        tokens = {found.access_token if isinstance(found, TokenRecord) else found for found in self.results}
        if len(tokens) != 1 or not isinstance(next(iter(tokens)), str):
            raise Violation(f"nothing went wrong, and the look-ups brought {tokens}")

    def check_logins(self) -> None:
        """When all late saves are made, the latest login that somebody alive has saved or kept is stored."""
        if self._has_removed or not self._plan.clocks_agree:
            return
        stored = {row.refresh_token for row in self._scene.store.rows.scan()}
        for logins in self._logins.values():
            tokens = [token for token, _ in logins]
            latest = next((token for token, process in reversed(logins) if process.is_alive), None)
            if latest is not None and not stored.intersection(tokens[tokens.index(latest) :]):
                self._check_outrun(latest)

    def _check_outrun(self, login: str) -> None:
        """A login that is saved late is outrun by what others have saved since it was first tried."""
        if any(at >= self._tried[login] and saved != login for at, saved in self._written):
            self.counts["a late login was outrun"] += 1
            return
        raise Violation(f"the login {login} is lost")

    def _account(self, renewing: Renewing) -> Account:
        return self._accounts.setdefault(renewing.ask.owner, Account())

    def _holds(self, renewing: Renewing) -> bool:
        credential = self._credentials.get(renewing.name)
        return (
            credential is not None
            and credential.holder is renewing
            and self._is_held(credential, self._scene.store.now_ms())
        )

    def _is_held(self, credential: Credential, now_ms: int) -> bool:
        return now_ms < credential.until_ms <= now_ms + _PLAUSIBLE * self._timeout_ms

    def _row(self, renewing: Renewing) -> Row | None:
        rows, asked = self._scene.store.rows, renewing.asked
        if asked.id is not None:
            return rows.load(asked.id)
        found = rows.find("grant_token", asked.grant_token or "") or rows.find(
            "refresh_token", asked.refresh_token or ""
        )
        return found[0] if found else None
