"""What each clause of the token store contract is worth: how bad a failure is, for whom, and why it is asked.

A clause is not a matter of taste: it rests on what Zoho documents, on what the unmodified SDK does with a
store, or on a harm that was measured on published stores (docs/reference/published-defects.md).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from zoho_tokenstore.testing._clauses import clauses


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


_W, _L, _F, _N = Severity.WRONG_USER, Severity.LOST_LOGIN, Severity.FAILURE, Severity.NUISANCE
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
     f"{_SDK}: revoke(id) calls find_token with an id and nothing else"),
    ("F5", "find-by-user-name", _L, "users have to log in again after each restart",
     f"{_DOC}: find_token finds a token by its user signature"),
    ("F6", "find-by-credentials", _L, "a restarted program logs in again, and its code is spent",
     f"{_DOC}: find_token finds a token by its grant or refresh token"),
    ("F7", "find-by-access-token", _F, "a program with an access token alone fails at its second call",
     f"{_SDK}: such a token is looked up before every call"),
    ("F8", "find-by-credentials-needs-the-client", _W, "one client works with another client's login",
     f"{_RUN}: in DBStore's WHERE, `and` binds before `or`"),
    ("F9", "find-needs-a-key", _W, "whoever comes without a name is the first user of the store",
     f"{_RUN}: the SQLite sample without WHERE returns the first row"),
    ("F10", "find-ignores-an-empty-name", _W, "a user with an empty name is somebody else",
     f"{_RUN}: the SQLite sample, DBStore"),
    ("F11", "find-ignores-an-empty-key", _W, "an empty token is somebody's",
     f"{_RUN}: rows without a token of that kind match an empty one"),
    ("F12", "find-never-falls-through", _W, "a name that is not stored leads to another user's token",
     f"{_SDK}: the SDK goes on with whatever it gets"),
    ("F13", "find-keeps-the-callers-fields", _F, "what the program asks for is replaced by what is stored",
     f"{_SDK}: it merges into missing fields only"),
    ("F14", "find-stores-nothing", _L, "a look-up that fails halfway changes the store",
     f"{_DOC}: find_token gets a token"),
    ("F15", "find-takes-no-contradiction", _L, "a new login is ignored, and its code is lost",
     f"{_RUN}: with a row of the name, a new refresh token is never saved"),
    ("F16", "find-tells-clients-apart", _W, "two programs of one user work with each other's rights",
     f"{_RUN}: FileStore and DBStore match by name alone"),
    ("F17", "find-tells-domains-apart", _W, "a program in the sandbox works in production",
     f"{_DOC}: tokens are bound to a data centre and an environment"),
    ("F18", "find-tries-a-new-client-secret", _L, "after a change of the client's secret nobody can log in",
     f"{_SDK}: it refreshes with the stored secret"),
    # saving
    ("S1", "save-sets-the-id", _F, "every call refreshes: Zoho refuses after ten",
     f"{_SDK}: without an id the SDK never looks up by id"),
    ("S2", "save-assigns-short-ids", _L, "saves fail in the documented MySQL table",
     f"{_DOC}: id varchar(10)"),
    ("S3", "save-keeps-a-chosen-id", _L, "a program that names its tokens loses them",
     f"{_RUN}: after one text id, FileStore fails at every save"),
    ("S4", "save-goes-by-the-id", _W, "a save lands in another user's row",
     f"{_RUN}: DBStore never uses the id"),
    ("S5", "save-respects-the-owner-of-an-id", _W, "whoever has an id takes over the row",
     f"{_RUN}: FileStore, DBStore and the samples"),
    ("S6", "save-reuses-no-id", _W, "a session that has ended works again, as another user",
     f"{_RUN}: FileStore gives max + 1"),
    ("S7", "save-of-many", _L, "the eleventh user is never stored",
     f"{_RUN}: DBStore and the SQLite sample, max of texts"),
    ("S8", "save-never-duplicates", _L, "a user has two rows, and the older one comes back",
     f"{_RUN}: DBStore counts changed rows"),
    ("S9", "save-keeps-owners-apart", _W, "one login overwrites another",
     f"{_RUN}: FileStore, by name alone"),
    ("S10", "save-tells-credentials-of-clients-apart", _W, "one client's row is overwritten by another's",
     f"{_RUN}: in DBStore's WHERE, `and` binds before `or`"),
    ("S11", "save-never-blanks", _L, "the refresh token is gone after a refresh",
     f"{_SDK}: a refresh brings no refresh token"),
    ("S12", "save-keeps-new-credentials", _L, "after a new login the old, revoked one is used",
     f"{_RUN}: FileStore merges missing fields only"),
    ("S13", "save-replaces-the-login", _W, "the next call is made with the former login's token",
     f"{_RUN}: the old access token stays beside the new refresh token"),
    ("S14", "save-inherits-no-refresh-token", _W, "an hour later the user is the former account",
     f"{_RUN}: a login by access_type=online keeps the other account's refresh token"),
    ("S15", "save-keeps-an-expiry-with-its-token", _F, "a dead token gets another hour",
     f"{_SDK}: the expiry decides whether it refreshes"),
    ("S16", "save-joins-no-access-token-to-a-client", _W, "a token from elsewhere is used with this client",
     f"{_RUN}: a row of the name is overwritten"),
    ("S17", "save-learns-the-user", _N, "a user has two rows",
     f"{_SDK}: the name is asked for after the token"),
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
    ("S24", "strangers-are-refused", _N, "a mistake of the program is not noticed",
     f"{_SDK}: stores are called with OAuthToken only"),
    # by id, all, deleting
    ("I1", "by-id-gives-all-fields", _F, "a restarted program has no refresh token in its hand",
     f"{_SDK}: it works on with the object of the look-up"),
    ("I2", "by-id-gives-fresh-tokens", _W, "one request changes the token of another",
     f"{_SDK}: it changes the returned object"),
    ("I3", "by-id-never-guesses", _W, "an id of another spelling is another user",
     f"{_RUN}: the id `id` of FileStore is the heading; MySQL compares 1 and 1x as numbers"),
    ("I4", "by-id-of-a-missing-token", _F, "an error that says nothing, and a request that Zoho must refuse",
     f"{_SDK}: before 8.0/7.0.0 None crashes it"),
    ("D1", "delete-by-id", _W, "a log-out logs others out, or nobody",
     f"{_RUN}: delete_token('1 or 1=1') empties the samples' table"),
    ("D2", "delete-of-a-missing-token", _N, "a second log-out fails",
     f"{_SDK}: remove() answers False for any exception"),
    ("D3", "delete-without-an-id", _W, "removing a token that was never saved removes others",
     f"{_SDK}: remove() passes the id None"),
    ("D4", "delete-tokens", _F, "tokens stay when all are deleted",
     f"{_RUN}: the SQLite sample raises AttributeError"),
    ("D5", "deleted-tokens-stay-deleted", _W, "a login that has ended is back",
     f"{_RUN}: a process that held the token saves it again"),
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
     f"{_RUN}: an apostrophe in a name and the save fails, unseen"),
    ("H2", "injections-are-saved-as-text", _W, "a name takes over other rows",
     f"{_RUN}: the SQLite sample, DBStore of SDK 5 to 7"),
    ("H3", "injections-do-nothing", _W, "a name is another user's key",
     f"{_RUN}: x' or '1'='1 found alice's tokens"),
    ("H4", "lookalikes-are-different", _W, "a user whose name looks alike is somebody else",
     f"{_RUN}: MySQL's default collation ignores case"),
    ("H5", "lookalike-credentials-are-different", _W, "a token that looks alike is somebody else's",
     f"{_RUN}: a refresh token matched in other case"),
    ("H6", "lone-surrogates-are-refused", _L, "a broken name breaks the store",
     f"{_RUN}: what cannot be encoded stops a rewrite halfway"),
    # threads and handles
    ("T1", "threads-may-use-a-store", _F, "every request in another thread fails",
     f"{_RUN}: the in-memory sample"),
    ("T2", "threads-lose-no-save", _L, "logins are lost when two users log in at once",
     f"{_RUN}: FileStore"),
    ("T3", "threads-make-one-row-of-one-owner", _N, "a user has several rows",
     f"{_RUN}: samples and DBStore"),
    ("T4", "threads-never-see-half-a-save", _F, "a request works with a mixture of two logins",
     f"{_RUN}: FileStore empties the file first"),
    ("P1", "handles-share-their-tokens", _L, "users have to log in at each process",
     f"{_DOC}: tokens are persisted, and shared"),
    ("P2", "handles-delete-for-all", _W, "who was logged out goes on in another process",
     f"{_DOC}: delete_tokens deletes all"),
    ("P3", "handles-make-one-row-of-one-owner", _L, "logins are lost when two processes save",
     f"{_RUN}: of 200 saves by two processes FileStore kept 19"),
    ("P4", "handles-respect-each-others-rows", _L, "a newer refresh token is undone",
     f"{_RUN}: FileStore rewrites what it has read"),
)  # fmt: skip


def catalogue(contract: type) -> list[Clause]:
    """Return the clauses of a token store contract, in the order of their numbers."""
    statements = clauses(contract)
    return [
        Clause(number, name, statements[name], severity, harm, basis)
        for number, name, severity, harm, basis in _ROWS
        if name in statements
    ]
