"""Codes and tokens, and Zoho's limits on them."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections import Counter

from zoho_tokenstore.emulator._clock import Clock
from zoho_tokenstore.emulator._limits import WindowLimit
from zoho_tokenstore.emulator._model import (
    AccessToken,
    Client,
    Code,
    CodeTerms,
    Grant,
    Minted,
    RefreshToken,
    User,
)
from zoho_tokenstore.emulator._options import EmulatorOptions
from zoho_tokenstore.emulator._randomness import Mint, label
from zoho_tokenstore.emulator._refusals import oauth_refusal, throttled

_SWEEP_EVERY = 256


class Ledger:
    """Every code and token issued."""

    def __init__(self, options: EmulatorOptions, mint: Mint, clock: Clock) -> None:
        self._options = options
        self._mint = mint
        self._clock = clock
        self._refreshes = WindowLimit(options.refresh_limit, options.refresh_window)
        self._code_requests = WindowLimit(options.code_limit, options.code_window)
        self._codes: dict[str, Code] = {}
        self._refresh: dict[str, RefreshToken] = {}
        self._access: dict[str, AccessToken] = {}
        self.tally: Counter[str] = Counter()  # under the names of `Counters`

    def allow_code(self, client: Client) -> bool:
        """Count a code asked for by `client`; return whether the limit permits it."""
        return self._code_requests.take(client.client_id, self._clock.now())

    def issue_code(self, grant: Grant, terms: CodeTerms) -> Code:
        """Return a new one-time code."""
        self._drop_dead_codes()
        expires_at = self._clock.now() + self._options.code_lifetime.total_seconds()
        code = Code(self._mint.token(), grant, expires_at, terms)
        self._codes[code.text] = code
        return code

    def redeem(self, text: str, client: Client, redirect_uri: str | None, verifier: str | None) -> Minted:
        """Exchange a code for tokens, which uses it up.

        Raises:
            RefusalError: `invalid_code` or `invalid_redirect_uri`.
        """
        code = self._codes.get(text)
        if code is None or code.grant.client.client_id != client.client_id or self._is_over(code.expires_at):
            raise oauth_refusal("invalid_code")
        if code.terms.redirect_uri not in (None, redirect_uri):
            raise oauth_refusal("invalid_redirect_uri")
        if not _verifies(code.terms, verifier):
            raise oauth_refusal("invalid_code")
        del self._codes[text]
        return self.log_in(code.grant, offline=code.terms.offline)

    def log_in(self, grant: Grant, *, offline: bool) -> Minted:
        """Return the tokens of a new login, with a refresh token if it is `offline`."""
        refresh = self.issue_refresh_token(grant) if offline else None
        return Minted(self.issue_access_token(grant, refresh), refresh)

    def refresh(self, text: str, client: Client) -> Minted:
        """Return a new access token of a refresh token.

        Raises:
            RefusalError: `invalid_code`, or `Access Denied` beyond the limit.
        """
        token = self.refresh_token(text)
        if token is None or token.grant.client.client_id != client.client_id:
            raise oauth_refusal("invalid_code")
        if not self._refreshes.take(token.text, self._clock.now()):
            raise throttled()
        return Minted(self.issue_access_token(token.grant, token), None)

    def issue_refresh_token(self, grant: Grant) -> RefreshToken:
        """Return a new refresh token; beyond the limit the oldest of this user and client dies."""
        text = self._mint.token()
        token = RefreshToken(text, label(text), grant)
        self._refresh[text] = token
        self._evict_refresh_tokens(grant)
        return token

    def issue_access_token(self, grant: Grant, parent: RefreshToken | None) -> AccessToken:
        """Return a new access token; beyond the limit the parent's oldest live one dies."""
        text = self._mint.token()
        expires_at = self._clock.now() + self._options.access_token_lifetime.total_seconds()
        token = AccessToken(text, label(text), grant, expires_at, parent)
        self._access[text] = token
        self.tally["minted"] += 1
        if parent is not None:
            parent.children.append(token)
            self._evict_access_tokens(parent)
        if self.tally["minted"] % _SWEEP_EVERY == 0:
            self._sweep()
        return token

    def access_token(self, text: str) -> AccessToken | None:
        """Return a live access token."""
        token = self._access.get(text)
        return None if token is None or self._is_over(token.expires_at) else token

    def refresh_token(self, text: str) -> RefreshToken | None:
        """Return a refresh token that has been neither revoked nor evicted."""
        return self._refresh.get(text)

    def is_live(self, text: str) -> bool:
        """Return whether an access or refresh token would be accepted now."""
        return self.access_token(text) is not None or text in self._refresh

    def live_access_tokens(self) -> int:
        """Return how many access tokens would be accepted now."""
        return sum(not self._is_over(token.expires_at) for token in self._access.values())

    def live_refresh_tokens(self) -> int:
        """Return how many refresh tokens would be accepted now."""
        return len(self._refresh)

    def revoke(self, token: AccessToken | RefreshToken) -> None:
        """Kill a token; a refresh token takes its access tokens with it."""
        if isinstance(token, AccessToken):
            self._kill(token)
            return
        del self._refresh[token.text]
        self._refreshes.forget(token.text)
        for child in list(token.children):
            self._kill(child)

    def revoke_labelled(self, name: str) -> bool:
        """Kill the refresh token with this label and its access tokens; return whether there was one."""
        found = next((token for token in self._refresh.values() if token.label == name), None)
        if found is not None:
            self.revoke(found)
        return found is not None

    def expire_access_tokens(self, user: User | None) -> int:
        """Kill all access tokens, or those of one user; return how many were alive."""
        chosen = [one for one in self._access.values() if user is None or one.grant.user.email == user.email]
        alive = sum(not self._is_over(token.expires_at) for token in chosen)
        for token in chosen:
            self._kill(token)
        return alive

    def _evict_refresh_tokens(self, grant: Grant) -> None:
        mine = [token for token in self._refresh.values() if _same_owner(token.grant, grant)]
        limit = self._options.refresh_tokens
        while limit is not None and len(mine) > limit:
            self.revoke(mine.pop(0))
            self.tally["evicted_refresh_tokens"] += 1

    def _evict_access_tokens(self, parent: RefreshToken) -> None:
        for token in [one for one in parent.children if self._is_over(one.expires_at)]:
            self._kill(token)
        limit = self._options.live_access_tokens
        while limit is not None and len(parent.children) > limit:
            self._kill(parent.children[0])
            self.tally["evicted_access_tokens"] += 1

    def _kill(self, token: AccessToken) -> None:
        self._access.pop(token.text, None)
        if token.parent is not None and token in token.parent.children:
            token.parent.children.remove(token)

    def _sweep(self) -> None:
        for token in [one for one in self._access.values() if self._is_over(one.expires_at)]:
            self._kill(token)

    def _drop_dead_codes(self) -> None:
        for text in [code.text for code in self._codes.values() if self._is_over(code.expires_at)]:
            del self._codes[text]

    def _is_over(self, expires_at: float) -> bool:
        return self._clock.now() >= expires_at


def _same_owner(one: Grant, other: Grant) -> bool:
    return one.client.client_id == other.client.client_id and one.user.email == other.user.email


def _verifies(terms: CodeTerms, verifier: str | None) -> bool:
    if terms.challenge is None:
        return True
    if verifier is None:
        return False
    proof = _s256(verifier) if terms.challenge_method == "S256" else verifier
    return hmac.compare_digest(proof.encode(), terms.challenge.encode())


def _s256(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
