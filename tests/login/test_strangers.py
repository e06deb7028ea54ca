"""Ten thousand swapped, replayed and forged callbacks: none ends in another person's session.

A world of three people, four browsers and one site. Whoever uses a browser may follow any login's address,
also one that was begun in another browser and sent to them, and consents as themselves; the redirect then
loads in the browser of the consent. Every address that a browser has seen may leak, and be loaded anywhere,
changed in any part. At all times a browser is known to the site as somebody who consented in that browser.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.login.support import CALLBACK
from zoho_tokenstore import Client, RefreshPolicy, TokenRepository, Tokens
from zoho_tokenstore.backends.memory import MemoryBackend
from zoho_tokenstore.lifecycle._lifecycle import Lifecycle
from zoho_tokenstore.login import LoginFailedError, LoginFlow
from zoho_tokenstore.renewal._renewer import Renewer
from zoho_tokenstore.renewal._transport import HTTPAnswer, Transport

CALLBACKS: Final = 10_000
BLOCKS: Final = 10
PEOPLE: Final = ("ann", "bob", "mallory")
BROWSERS: Final = 4

ACCOUNTS: Final = "http://127.0.0.1:1"


@dataclass(frozen=True)
class Zoho(Transport):
    """Zoho without a network: codes for consents, once each, bound to a PKCE challenge."""

    codes: dict[str, tuple[str, str]] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def consent(self, person: str, url: str) -> dict[str, str]:
        """Return the parameters of the callback."""
        asked = dict(parse_qsl(urlsplit(url).query))
        code = f"1000.code-{next(self.numbers)}"
        self.codes[code] = (person, asked["code_challenge"])
        return {"code": code, "state": asked["state"], "accounts-server": ACCOUNTS, "location": "us"}

    def post(self, url: str, form: Mapping[str, str], headers: Any = None) -> HTTPAnswer:
        if url.endswith("/revoke"):
            return _answer(status="success")
        person, challenge = self.codes.get(form["code"], ("", ""))
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        if not person or base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != challenge:
            return _answer(error="invalid_code")
        del self.codes[form["code"]]
        number = next(self.numbers)
        return _answer(
            access_token=f"1000.{person}.{number}",
            refresh_token=f"1000.refresh-{person}-{number}",
            expires_in=3600,
            api_domain=ACCOUNTS,
        )

    def get(self, url: str, headers: Mapping[str, str]) -> HTTPAnswer:
        person = headers["Authorization"].split(".")[1]
        return _answer(users=[{"email": person}], org=[{"zgid": "1"}])


def _answer(**values: Any) -> HTTPAnswer:
    return HTTPAnswer(200, json.dumps(values).encode())


@dataclass
class Browser:
    """What a browser has: the site's session, and who has consented in it."""

    kept: dict[str, Any] = field(default_factory=dict)
    session: str | None = None
    consented: set[str] = field(default_factory=set)
    before: list[dict[str, Any]] = field(default_factory=list)
    begun: list[str] = field(default_factory=list)


class World:
    """People, browsers and a site, with a fixed sequence of chances."""

    def __init__(self, flow: LoginFlow, zoho: Zoho, seed: int) -> None:
        self.flow, self.zoho = flow, zoho
        self.chance = random.Random(seed)
        self.browsers = [Browser() for _ in range(BROWSERS)]
        self.begun: list[str] = []
        self.seen: list[dict[str, str]] = []
        self.callbacks = self.logins = 0

    def step(self) -> None:
        """Let something happen."""
        action = self.chance.choice(
            [self.begin, self.consent, self.consent, self.replay, self.replay, self.leave]
        )
        action(self.chance.choice(self.browsers))

    def begin(self, browser: Browser) -> None:
        started = self.flow.start(browser.kept, user=self.chance.choice([None, None, *PEOPLE]))
        browser.kept = started.kept
        self.begun.append(started.url)
        browser.before.append(started.kept)
        browser.begun.append(started.url)

    def consent(self, browser: Browser) -> None:
        """Somebody follows an address, their own or one that was sent to them."""
        if self.begun:
            person = self.chance.choice(PEOPLE)
            browser.consented.add(person)
            is_own = browser.begun and self.chance.random() < 0.5
            url = browser.begun[-1] if is_own else self.chance.choice(self.begun[-6:])
            answer = self.zoho.consent(person, url)
            self.load(browser, answer)

    def replay(self, browser: Browser) -> None:
        """An address that leaked is loaded, as it is or changed; the browser may put an old cookie back."""
        if not self.seen:
            return
        answer = dict(self.chance.choice(self.seen))
        for name in self.chance.sample(sorted(answer), self.chance.randrange(3)):
            answer[name] = self.chance.choice(self.seen).get(name, "") + self.chance.choice(["", "", "x"])
        if browser.before and self.chance.random() < 0.2:
            browser.kept = self.chance.choice(browser.before)
        self.load(browser, answer)

    def leave(self, browser: Browser) -> None:
        self.flow.log_out(browser.session, everywhere=self.chance.random() < 0.3)
        browser.session = None

    def load(self, browser: Browser, answer: dict[str, str]) -> None:
        """Load a callback in a browser."""
        self.callbacks += 1
        self.seen.append(answer)
        try:
            done = self.flow.finish(answer, browser.kept)
        except LoginFailedError as error:
            browser.kept = error.kept
            return
        self.logins += 1
        browser.kept, browser.session = done.kept, done.session

    def check(self) -> None:
        """Nobody is known as somebody else."""
        for browser in self.browsers:
            known = self.flow.identify(browser.session)
            if known is not None:
                assert (known.user_name or "").partition(":")[0] in browser.consented


@contextmanager
def site() -> Iterator[tuple[LoginFlow, Zoho]]:
    repository, zoho = TokenRepository(MemoryBackend(), keys=None), Zoho()
    renewer = Renewer(repository, RefreshPolicy(background=False), transport=zoho)
    tokens = Tokens(Lifecycle(renewer), accounts_url=ACCOUNTS)
    yield LoginFlow(tokens, Client("1000.PORTAL", "secret"), CALLBACK), zoho
    repository.close()


@pytest.mark.parametrize("block", range(BLOCKS))
def test_nobody_is_logged_in_as_somebody_else(block: int) -> None:
    """Whatever happens, in any order; and people who behave do get in."""
    callbacks = logins = 0
    seeds = itertools.count(block * 1_000_000)
    while callbacks < CALLBACKS // BLOCKS:
        with site() as (flow, zoho):
            world = World(flow, zoho, next(seeds))
            for _ in range(60):
                world.step()
                world.check()
        callbacks, logins = callbacks + world.callbacks, logins + world.logins
    assert logins > callbacks // 40


def test_the_world_sees_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the binding to the browser's session, somebody is soon known as somebody else."""
    from zoho_tokenstore.login import _begun_logins

    everything: dict[str, Any] = {}

    def shared(kept: Any) -> dict[str, Any]:
        everything.update(parse(kept))
        return {state: begun for state, begun in everything.items() if not begun.is_over}

    parse = _begun_logins.parse_kept
    monkeypatch.setattr("zoho_tokenstore.login._flow.parse_kept", shared)
    with pytest.raises(AssertionError):
        test_nobody_is_logged_in_as_somebody_else(0)
