"""What each clause of the token store contract is worth: how bad a failure is, for whom, and why it is asked.

A clause is not a matter of taste: it rests on what Zoho documents, on what the unmodified SDK does with a
store, or on a harm that was measured on published stores (docs/reference/published-defects.md).
"""

from __future__ import annotations

import inspect
from enum import StrEnum
from typing import Final, NamedTuple

_PREFIX: Final = "test_"


class Severity(StrEnum):
    """What a failing clause does to users, the worst first."""

    WRONG_USER = "wrong user"
    LOST_LOGIN = "lost login"
    LEAK = "leak"
    FAILURE = "failure"
    NUISANCE = "nuisance"


class Clause(NamedTuple):
    """One clause.

    Arguments:
        number: short, and never given to another clause.
        name: its id, which is its test's name.
        statement: what a store must do.
        severity: how bad it is if it does not.
        harm: what happens to a user then.
        basis: what it rests on.
    """

    number: str
    name: str
    statement: str
    severity: Severity
    harm: str
    basis: str


_W, _L, _K, _F, _N = Severity
_SDK, _DOC, _RUN = "SDK", "Zoho", "measured"

_ROWS: Final = (
    # finding
    ("F1", "find-fills-in-place", _F, "every call refreshes, and no refresh is saved",
     f"{_SDK}: another object lacks the private find_user; the error is dropped; nothing is saved"),
    ("F2", "find-answers-none-on-a-miss", _L, "nobody can log in for the first time",
     f"{_SDK}: only None makes get_token exchange the code"),
    ("F3", "find-in-an-empty-store", _L, "nobody can log in for the first time",
     f"{_SDK}: the first call of a program finds an empty store"),
    ("F4", "find-by-id-alone", _F, "a log-out revokes nothing: the login stays alive at Zoho",
     f"{_SDK}: revoke(id) calls find_token with an id alone; FileStore (F7), DBStore (D4)"),
    ("F5", "find-by-user-name", _L, "users have to log in again after each restart",
     f"{_DOC}: find_token finds a token by its user signature"),
    ("F6", "find-by-credentials", _L, "a restarted program logs in again, and its code is spent",
     f"{_DOC}: find_token finds a token by its grant or refresh token"),
    ("F7", "find-by-access-token", _F, "a program with an access token alone fails at its second call",
     f"{_SDK}: such a token is looked up before every call"),
    ("F8", "find-by-credentials-needs-the-client", _W, "one client works with another client's login",
     f"{_RUN}: FileStore and DBStore find a refresh token without its client (D7)"),
    ("F9", "find-needs-a-key", _W, "whoever comes without a name is the first user of the store",
     f"{_RUN}: the SQLite sample without WHERE returns the first row (S1)"),
    ("F10", "find-ignores-an-empty-name", _W, "a user with an empty name is somebody else",
     f"{_RUN}: the SQLite sample returns the first row for an empty name (S1)"),
    ("F11", "find-ignores-an-empty-key", _W, "an empty token is somebody's",
     f"{_RUN}: rows without a token of that kind match an empty one"),
    ("F12", "find-never-falls-through", _W, "a name that is not stored leads to another user's token",
     f"{_SDK}: the SDK goes on with whatever it gets"),
    ("F13", "find-keeps-the-callers-fields", _F, "what the program asks for is replaced by what is stored",
     f"{_SDK}: it merges into missing fields only"),
    ("F14", "find-stores-nothing", _L, "a look-up that fails halfway changes the store",
     f"{_DOC}: find_token gets a token"),
    ("F15", "find-takes-no-contradiction", _L, "a new login is ignored, and its code is lost",
     f"{_RUN}: beside a row of the name, FileStore ignores a new refresh token (F5)"),
    ("F16", "find-tells-clients-apart", _W, "two programs of one user work with each other's rights",
     f"{_RUN}: FileStore and DBStore match by name alone (F4)"),
    ("F17", "find-tells-domains-apart", _W, "a program in the sandbox works in production",
     f"{_DOC}: tokens are bound to a data centre and an environment; FileStore matches by name alone (F4)"),
    # saving
    ("S1", "save-sets-the-id", _F, "every call refreshes: Zoho refuses after ten",
     f"{_SDK}: without an id the SDK never looks up by id"),
    ("S2", "save-assigns-short-ids", _L, "saves fail in the documented MySQL table",
     f"{_DOC}: id varchar(10)"),
    ("S3", "save-keeps-a-chosen-id", _L, "a program that names its tokens loses them",
     f"{_RUN}: after one text id, FileStore and DBStore fail at every save (F6)"),
    ("S4", "save-goes-by-the-id", _W, "a save lands in another user's row",
     f"{_RUN}: DBStore never uses the id (D3)"),
    ("S5", "save-respects-the-owner-of-an-id", _W, "whoever has an id takes over the row",
     f"{_RUN}: with the id of a deleted user, FileStore acts on the row of the next one (F3); DBStore (D3)"),
    ("S6", "save-reuses-no-id", _W, "a session that has ended works again, as another user",
     f"{_RUN}: FileStore gives max + 1 (F3)"),
    ("S7", "save-of-many", _L, "the eleventh user is never stored",
     f"{_RUN}: DBStore and the SQLite sample take the maximum of strings (D1, S3)"),
    ("S8", "save-never-duplicates", _L, "a user has two rows, and the older one comes back",
     f"{_RUN}: DBStore counts changed rows (D2)"),
    ("S9", "save-keeps-owners-apart", _W, "one login overwrites another",
     f"{_RUN}: FileStore and DBStore match by name alone (F4)"),
    ("S10", "save-twice", _L, "a refresh fails, unseen, and the next one too",
     f"{_RUN}: DBStore counts changed rows (D2)"),
    ("S11", "save-never-blanks", _L, "the refresh token is gone after a refresh",
     f"{_SDK}: after a look-up that misses, the save lacks what the row has; DBStore inserts again (D2)"),
    ("S12", "save-keeps-new-credentials", _L, "after a new login the old, revoked one is used",
     f"{_RUN}: FileStore ignores a new refresh token (F5)"),
    ("S13", "save-replaces-the-login", _W, "the next call is made with the former login's token",
     f"{_RUN}: FileStore and DBStore merge what is missing from the former login (F5)"),
    ("S14", "save-inherits-no-refresh-token", _W, "an hour later the user is the former account",
     f"{_DOC}: an online code brings no refresh token; FileStore merges the former one (F5)"),
    ("S15", "save-keeps-an-expiry-with-its-token", _F, "a dead token gets another hour",
     f"{_SDK}: an access token alone has no expiry; FileStore merges the former one (F5)"),
    ("S16", "save-joins-no-access-token-to-a-client", _W, "a token from elsewhere is used with this client",
     f"{_SDK}: it saves access tokens without a client; FileStore matches by name alone (F4)"),
    ("S17", "save-learns-the-user", _N, "a user has two rows",
     f"{_SDK}: the name is asked for after the token; DBStore then inserts under the same id (D2)"),
    ("S18", "save-needs-no-client", _F, "a program with an access token alone fails",
     f"{_SDK}: it saves such tokens, without client and user"),
    ("S19", "save-of-the-row-found", _L, "a refresh is saved beside the row, and lost",
     f"{_SDK}: it saves the object that the look-up returned"),
    ("S20", "save-changes-nothing-else", _F, "the program's own token changes under its hands",
     f"{_SDK}: it goes on with the object it has saved"),
    ("S21", "save-keeps-a-copy", _L, "a change that was never saved is stored",
     f"{_SDK}: it changes the object after the save"),
    ("S22", "save-keeps-expiry-as-text", _F, "every call of this user raises TypeError",
     f"{_SDK}: int(expires_in) of a text, len() of it"),
    ("S23", "save-reads-field-by-field", _W, "another token's fields are stored",
     f"{_SDK}: merge_objects copies bound methods into the object"),


    ("S24", "save-revives-no-id", _W, "a session that has ended works again",
     f"{_RUN}: FileStore and DBStore give max + 1 (F3)"),
    # by id, all, deleting
    ("I1", "by-id-gives-all-fields", _F, "a restarted program has no refresh token in its hand",
     f"{_SDK}: it works on with the object of the look-up"),
    ("I2", "by-id-gives-fresh-tokens", _W, "one request changes the token of another",
     f"{_SDK}: it changes the returned object"),
    ("I3", "by-id-never-guesses", _W, "an id of another spelling is another user",
     f"{_RUN}: the id `id` of FileStore is the heading (F8); MySQL's default collation ignores blanks (D6)"),
    ("I4", "by-id-of-a-missing-token", _F, "an error that says nothing, and a request that Zoho must refuse",
     f"{_SDK}: before 8.0/7.0.0 None crashes it"),
    ("D1", "delete-by-id", _W, "a log-out logs others out, or nobody",
     f"{_RUN}: delete_token('1 or 1=1') empties the samples' table (S2, D12)"),
    ("D2", "delete-of-a-missing-token", _N, "a second log-out fails",
     f"{_SDK}: remove() answers False for any exception; FileStore raises one (D11)"),
    ("D3", "delete-without-an-id", _W, "removing a token that was never saved removes others",
     f"{_SDK}: remove() passes the id None"),
    ("D4", "delete-tokens", _F, "tokens stay when all are deleted",
     f"{_RUN}: the SQLite sample raises AttributeError (S8)"),
    ("D5", "deleted-tokens-stay-deleted", _W, "a login that has ended is back",
     f"{_SDK}: after a refresh it saves what it looked up before, whatever happened meanwhile"),
    ("D6", "save-after-delete", _W, "a new login inherits fields of the deleted one",
     f"{_DOC}: delete_token deletes the token"),
    ("G1", "get-tokens-gives-all", _F, "an overview lacks users",
     f"{_DOC}: get_tokens returns all tokens"),
    ("G2", "get-tokens-gives-fresh-tokens", _L, "whoever reads the list changes the store",
     f"{_DOC}: get_tokens returns all tokens"),
    ("G3", "get-tokens-of-an-empty-store", _N, "an overview of nobody fails",
     f"{_DOC}: get_tokens returns a list"),
    # hostile strings
    ("H1", "hostile-texts-come-back", _L, "a user with an unusual name cannot log in, or is cut to another",
     f"{_RUN}: an apostrophe fails, unseen (S7); FileStore takes headings for users (F8)"),
    ("H2", "injections-are-saved-as-text", _W, "a name takes over other rows",
     f"{_RUN}: the SQLite sample, DBStore of SDK 5 to 7 (S2, D12)"),
    ("H3", "injections-do-nothing", _W, "a name is another user's key",
     f"{_RUN}: x' or '1'='1 found alice's tokens (D12); the id `id` of FileStore is the heading (F8)"),
    ("H4", "lookalikes-are-different", _W, "a user whose name looks alike is somebody else",
     f"{_RUN}: MySQL's default collation ignores case (D6)"),
    ("H5", "lookalike-credentials-are-different", _W, "a token that looks alike is somebody else's",
     f"{_RUN}: a refresh token matched in other case (D6)"),
    ("H6", "lone-surrogates-are-refused", _L, "a broken name breaks the store",
     f"{_RUN}: what cannot be encoded stops a rewrite halfway"),
    # threads and handles
    ("T1", "threads-may-use-a-store", _F, "every request in another thread fails",
     f"{_RUN}: the in-memory sample works in one thread only (M1)"),
    ("T2", "threads-lose-no-save", _L, "logins are lost when two users log in at once",
     f"{_RUN}: FileStore rewrites without a lock (F1); the list sample (L2)"),
    ("T3", "threads-make-one-row-of-one-owner", _N, "a user has several rows",
     f"{_RUN}: FileStore rewrites without a lock (F1); DBStore fails by deadlocks (D5)"),
    ("T4", "threads-never-see-half-a-save", _F, "a request works with a mixture of two logins",
     f"{_RUN}: FileStore empties the file first (F2)"),
    ("P1", "handles-share-their-tokens", _L, "users have to log in at each process",
     f"{_DOC}: tokens are persisted, and shared"),
    ("P2", "handles-delete-for-all", _W, "who was logged out goes on in another process",
     f"{_DOC}: delete_tokens deletes all"),
    ("P3", "handles-make-one-row-of-one-owner", _L, "logins are lost when two processes save",
     f"{_RUN}: of 200 saves by two processes FileStore kept 19 (F1)"),
    ("P4", "handles-respect-each-others-rows", _L, "a newer refresh token is undone",
     f"{_RUN}: FileStore rewrites what it has read (F1)"),
    # processes
    ("X1", "processes-lose-no-save", _L, "logins are lost when two processes log users in",
     f"{_RUN}: of 200 saves by two processes FileStore kept 19 (F1)"),
    ("X2", "processes-make-one-row-of-one-owner", _L, "a user has two rows, and the older one comes back",
     f"{_RUN}: FileStore (F1), DBStore (D2, D5)"),
    ("X3", "processes-never-see-half-a-save", _F, "users who are logged in are told that they aren't",
     f"{_RUN}: beside a writer FileStore missed 1,400 of 3,000 look-ups (F2)"),
    ("X4", "processes-see-deletions", _W, "who was logged out goes on in another process",
     f"{_DOC}: delete_token deletes the token"),
    # kills
    ("K1", "killed-saves-are-kept", _L, "a restart or a full memory logs everybody out",
     f"{_RUN}: killed while it rewrote its file FileStore lost all rows (F2)"),
    ("K2", "killed-saves-are-whole-or-nothing", _L, "a token is a mixture, or all tokens are lost",
     f"{_RUN}: killed while it rewrote its file FileStore lost all rows (F2)"),
    ("K3", "killed-processes-leave-nothing-locked", _F, "nobody can log in until a lock is removed by hand",
     f"{_DOC}: save_token saves the token"),
    # secrets
    ("L1", "files-are-their-owners-alone", _K, "every account of the host can use every login",
     f"{_RUN}: FileStore's file has mode 0644 (F10)"),
    ("L2", "passing-files-are-their-owners-alone", _K, "every account of the host can use what is just saved",
     f"{_RUN}: FileStore writes with the rights of the umask (F10)"),
    ("L3", "errors-show-no-secret", _K, "whoever reads an error report can use the login",
     f"{_DOC}: the client secret and tokens must be kept confidential"),
    ("L4", "logs-show-no-secret", _K, "whoever reads the log can use the login",
     f"{_DOC}: the client secret and tokens must be kept confidential"),
    ("L5", "reprs-show-no-secret", _K, "whoever reads an error report can use the login",
     f"{_SDK}: the repr of its token shows none"),
    ("L6", "sealed-files-show-no-secret", _K, "whoever has a backup can use every login",
     f"{_RUN}: FileStore, DBStore and the samples keep secrets in plain text (F10)"),
    # damaged rows
    ("B1", "damage-hides-nobody-else", _L, "one damaged row logs everybody out",
     f"{_RUN}: a row cut short made FileStore raise for other users (F9)"),
    ("B2", "damage-spoils-no-list", _F, "one damaged row hides all users",
     f"{_RUN}: a row cut short made get_tokens of FileStore unusable (F9)"),
    ("B3", "damage-stops-no-save", _L, "one damaged row stops all logins",
     f"{_RUN}: a row cut short made FileStore raise for other users (F9)"),
    # the unmodified SDK, end to end
    ("E1", "sdk-accepts-the-store", _F, "no program can start with the store",
     f"{_SDK}: initialize takes nothing but an instance of its TokenStore"),
    ("E2", "sdk-logs-in-once", _L, "a restarted program has no login: its code is spent",
     f"{_SDK}: what find_token does not find is logged in again"),
    ("E3", "sdk-renews-once", _F, "every call asks for a new token, until Zoho refuses",
     f"{_SDK}: it renews whenever the token that it finds has expired"),
    ("E4", "sdk-renews-again-and-again", _L, "an hour after the first renewal users have to log in again",
     f"{_SDK}: a renewal brings no refresh token"),
    ("E5", "sdk-switches-users", _W, "one user's calls are made as another user",
     f"{_RUN}: the list sample's first two users have one id"),
    ("E6", "sdk-renews-each-user", _W, "a renewal makes one user's login another user's",
     f"{_SDK}: it saves the object that the look-up returned"),
    ("E7", "sdk-keeps-clients-apart", _W, "a program works with the rights that another one was given",
     f"{_RUN}: FileStore (F4) and DBStore keep one row of the two"),
    ("E8", "sdk-revokes-a-login", _F, "a log-out revokes nothing: the login stays alive at Zoho",
     f"{_SDK}: revoke(id) calls find_token with an id alone; FileStore finds none (F7), DBStore raises (D4)"),
    ("E9", "sdk-revokes-nobody-else", _W, "a log-out ends the login of another user",
     f"{_RUN}: with the SQLite sample, revoking bob's id revoked alice"),
    ("E10", "sdk-removes-one-login", _W, "a user who was removed stays logged in, or others do not",
     f"{_SDK}: remove() deletes by the token's id"),
    ("E11", "sdk-logs-in-again", _L, "a user who has withdrawn the access cannot come back",
     f"{_RUN}: with a row of the name, a new login is never used (F5)"),
    ("E12", "sdk-reports-a-refusal", _W, "a user whose login has ended works as somebody else",
     f"{_SDK}: it goes on with whatever it gets"),
    ("E13", "sdk-survives-a-refusal", _L, "one user who withdraws the access logs out others",
     f"{_SDK}: it saves nothing when Zoho refuses"),
    ("E14", "sdk-keeps-an-apostrophe", _L, "a user with an apostrophe in the address logs in at each start",
     f"{_RUN}: the SQLite sample, DBStore of SDK 5 to 7; the SDK drops the error"),
    ("E15", "sdk-serves-threads-as-themselves", _W,
     "at the hour's end one user's call is made as another user",
     f"{_SDK}: switch_user binds a user to a thread; the store is shared"),
    ("E16", "sdk-stays-within-zohos-limit", _F, "at the hour's end a busy program gets Access Denied",
     f"{_DOC}: ten access tokens for a refresh token in ten minutes; twelve threads of the SDK make twelve"),
    ("E17", "sdk-processes-stay-within-zohos-limit", _F, "at the hour's end a fleet gets Access Denied",
     f"{_DOC}: ten access tokens for a refresh token in ten minutes, whichever process asks"),
)  # fmt: skip


def clause_of(test: str) -> str:
    """Return the id of the clause that a test proves, by the test's name."""
    return test.removeprefix(_PREFIX).replace("_", "-")


def clauses(contract: type) -> dict[str, str]:
    """Return the statement of every clause of a contract, by the clause's id.

    A test named ``test_find_fills_in_place`` proves the clause ``find-fills-in-place``; its
    docstring is the statement.
    """
    return {
        clause_of(name): " ".join((inspect.getdoc(test) or "").split())
        for name, test in inspect.getmembers(contract, inspect.isfunction)
        if name.startswith(_PREFIX)
    }


def catalogue(contract: type) -> list[Clause]:
    """Return the clauses of a token store contract, in the order of their numbers."""
    statements = clauses(contract)
    return [
        Clause(number, name, statements[name], severity, harm, basis)
        for number, name, severity, harm, basis in _ROWS
        if name in statements
    ]
