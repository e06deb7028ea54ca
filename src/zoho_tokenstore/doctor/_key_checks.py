"""Checks of the sealing keys, and of the rows as far as they are sealed."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator

from zoho_tokenstore.doctor._checks import Stage, Tally, check, compares_rows, error, row_check, warning
from zoho_tokenstore.doctor._findings import Finding, Severity
from zoho_tokenstore.doctor._subject import Login, Subject


@check("key-file-permissions", Stage.KEYS)
def key_file_permissions(subject: Subject) -> Iterator[Finding]:
    """Others can read the keys, or put in their own. A store refuses such a file."""
    if subject.keys.open_to_others:
        path = shlex.quote(str(subject.keys.file))
        yield error(
            f"The key file {subject.keys.file} can be read or written by others, so no store opens with it. "
            "If others may have read it, make a new key and reseal: zoho-tokens keys rotate",
            f"chmod 600 {path}",
        )


@check("keys-unusable", Stage.KEYS)
def keys_unusable(subject: Subject) -> Iterator[Finding]:
    """There should be keys, and they cannot be read."""
    if subject.keys.error is not None:
        yield error(f"The sealing keys cannot be used. {subject.keys.error}")


@compares_rows("keys-accept-clear")
class KeysAcceptClear:
    """The keys accept unsealed secrets, although all rows are sealed: anybody could plant a token."""

    def __init__(self, subject: Subject) -> None:
        ring = subject.keys.ring
        self._accepts = ring is not None and ring.current.accepts_clear and ring.current.newest is not None
        self._all_sealed = True

    def see(self, login: Login) -> None:
        self._all_sealed &= login.sealing != "clear"

    def findings(self) -> Iterable[Finding]:
        if self._accepts and self._all_sealed:
            yield warning(
                "The keys accept unsealed secrets ('clear' is among them), and all rows are sealed: who can "
                "write to the store can plant a token.",
                "Remove the word clear from the keys.",
            )


@compares_rows("keys-missing")
class KeysMissing:
    """Rows are sealed under keys that are not here."""

    def __init__(self, subject: Subject) -> None:
        self._has_keys = subject.keys.ring is not None
        self._tally = Tally()
        self._ids: Counter[str] = Counter()

    def see(self, login: Login) -> None:
        if login.sealing == "no key":
            self._tally.add(login.id, f"key {login.key_id}")
            self._ids[str(login.key_id)] += 1

    def findings(self) -> Iterable[Finding]:
        keys = ", ".join(f"{key} ({rows:,})" for key, rows in self._ids.most_common(5))
        summary = "{rows} sealed under keys that are not here: " + keys.replace("{", "").replace("}", "")
        if not self._has_keys:
            summary += ". No keys are set at all"
        return self._tally.about(
            error(
                f"{summary}. These users cannot log in.",
                "Give the keys with --keys file:PATH or ZOHO_TOKENSTORE_KEYS; put a lost one back after the "
                "newest key. zoho-tokens keys status shows which rows need which.",
            )
        )


@row_check(
    "rows-do-not-open",
    Severity.ERROR,
    "{rows} sealed under a key that is here do not open: changed, moved or copied by something else. These "
    "users cannot log in.",
    "Restore them from a backup, or let these users log in again and run: zoho-tokens delete ID",
)
def rows_do_not_open(login: Login, _: Subject) -> str | None:
    """A sealed row is not as it was sealed."""
    return "" if login.sealing == "refused" else None


@compares_rows("unsealed-secrets")
class UnsealedSecrets:
    """Secrets are in plain text for everybody who can read the storage or a backup of it."""

    def __init__(self, subject: Subject) -> None:
        self._ring = subject.keys.ring
        self._is_expected = subject.facts is not None and subject.facts.seals_itself
        self._tally = Tally()

    def see(self, login: Login) -> None:
        if login.sealing == "clear" and not self._is_expected and _has_secrets(login):
            self._tally.add(login.id)

    def findings(self) -> Iterable[Finding]:
        return self._tally.about(self._finding())

    def _finding(self) -> Finding:
        if self._ring is None:
            return warning(
                "{rows} with unsealed secrets: everybody who can read the storage or a backup has them.",
                "zoho-tokens keys generate --keys file:PATH, then zoho-tokens keys seal --keys file:PATH",
            )
        if self._ring.current.accepts_clear:
            return warning("{rows} with unsealed secrets, although there are keys.", "zoho-tokens keys seal")
        return error(
            "{rows} with unsealed secrets, although there are keys: they do not open, and these users cannot "
            "log in. Another program writes here, or has no keys.",
            "zoho-tokens keys seal",
        )


@row_check(
    "old-key",
    Severity.WARNING,
    "{rows} sealed under an older key than the newest: removing that key would lock these users out.",
    "zoho-tokens keys rotate",
)
def old_key(login: Login, subject: Subject) -> str | None:
    """A row has not been resealed since the keys were rotated."""
    ring = subject.keys.ring
    if login.sealing != "sealed" or ring is None or ring.current.newest is None:
        return None
    return None if login.key_id == ring.current.newest.id else f"key {login.key_id}"


def _has_secrets(login: Login) -> bool:
    record = login.record
    return record is not None and bool(
        record.client_secret or record.refresh_token or record.access_token or record.grant_token
    )
