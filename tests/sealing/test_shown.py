"""Keys are not shown: not by a repr, a log line, a traceback, a copy or a pickle."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import marshal
import pickle
import pprint
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tests.sealing.support import ALICE, NEW, OLD, repository
from zoho_tokenstore import (
    Event,
    Keyset,
    RefreshPolicy,
    RepositoryStore,
    SealingError,
    TokenRepository,
)
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.lifecycle._lifecycle import Lifecycle
from zoho_tokenstore.renewal._renewer import Renewer
from zoho_tokenstore.sealing import SealingKey
from zoho_tokenstore.sealing import _sources as sources
from zoho_tokenstore.sealing._cipher import AESGCMCipher
from zoho_tokenstore.tokens import Tokens

KEYS = (OLD, NEW)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text(Keyset(KEYS).to_text())
    path.chmod(0o600)
    return path


@dataclasses.dataclass
class Settings:
    """As an application keeps them."""

    keys: Any
    name: str = "portal"


def forms_of(key: SealingKey) -> list[str]:
    """How a key may be shown: as its text, as bytes, in hexadecimal; parts of it too."""
    derived = HKDF(SHA256(), length=64, salt=None, info=b"zoho-tokenstore sealing 1").derive(key._material)
    shown = [key.to_text()[5:15], key.to_text()[-10:]]
    for secret in (key._material, derived[:32], derived[32:]):
        shown += [secret.hex()[:12], repr(secret)[2:26], repr(list(secret[:6]))[1:-1]]
    return shown


def check(text: str) -> None:
    """No form of any key is in a text."""
    found = [form for key in KEYS for form in forms_of(key) if form in text]
    assert found == []


def things(file: Path) -> dict[str, Any]:
    """Everything that has to do with keys."""
    ring = Keyset(KEYS)
    repository = TokenRepository(ListBackend(), keys=ring)
    return {
        "key": OLD,
        "ring": ring,
        "ring of a file": Keyset.from_file(file),
        "ring of a service": Keyset.from_callable(lambda: KEYS),
        "ring at one moment": ring.current,
        "file": sources.KeyFile(file),
        "service": sources.Fetched(lambda: KEYS),
        "sealing": AESGCMCipher(ring),
        "repository": repository,
        "renewer": Renewer(repository, RefreshPolicy()),
        "tokens": Tokens(Lifecycle(Renewer(repository, RefreshPolicy()))),
        "store": RepositoryStore(repository),
        "settings": Settings(ring),
    }


WAYS: dict[str, Callable[[Any], str]] = {
    "repr": repr,
    "str": str,
    "format": lambda thing: f"{thing} {thing!r} {thing!s}",
    "percent": lambda thing: "%s %r" % (thing, thing),  # noqa: UP031  # as log lines do it
    "pprint": pprint.pformat,
    "in a list": lambda thing: repr([thing, {"thing": thing}]),
    "dir": lambda thing: repr(dir(thing)),
}


@pytest.mark.parametrize("way", WAYS)
def test_no_text_of_anything_shows_a_key(file: Path, way: str) -> None:
    """Keys, rings, where they come from, and all that is built on them."""
    for thing in things(file).values():
        check(WAYS[way](thing))


def test_the_texts_say_something() -> None:
    """Key ids are public: they tell which key is meant, in the order of the ring."""
    assert repr(OLD) == f"SealingKey('{OLD.id}')"
    assert repr(Keyset([NEW, OLD, "clear"])) == f"Keyset({NEW.id}, {OLD.id}, clear)"


def test_the_check_sees_keys() -> None:
    """What the other tests rely on: a shown key is noticed, in each form."""
    for shown in (OLD.to_text(), NEW._material.hex(), repr(OLD._material), repr(list(NEW._material))):
        with pytest.raises(AssertionError):
            check(f"... {shown} ...")


@pytest.mark.parametrize("name", ["key", "ring", "ring of a file", "ring of a service", "ring at one moment",
                                  "sealing", "settings"])  # fmt: skip
def test_keys_are_not_pickled(file: Path, name: str) -> None:
    """By no protocol; the error says why. So no queue, cache or child process gets them by accident."""
    thing = things(file)[name]
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="not pickled") as refused:
            pickle.dumps(thing, protocol)
        check(f"{refused.value}")
    with pytest.raises(TypeError):
        json.dumps(thing)
    with pytest.raises(ValueError, match="unmarshallable"):
        marshal.dumps(thing)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy], ids=["copy", "deepcopy"])
def test_a_copy_is_the_ring_itself(file: Path, copied: Callable[[Any], Any]) -> None:
    """So settings with a ring in them can be copied; all copies take part in its renewals."""
    for thing in (OLD, Keyset(KEYS), Keyset.from_file(file)):
        assert copied(thing) is thing
    settings = Settings(Keyset(KEYS))
    assert copied(settings).keys is settings.keys
    assert dataclasses.asdict(settings)["keys"] is settings.keys
    check(repr(dataclasses.asdict(settings)))


def test_log_lines_show_no_key(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A ring that is logged, and what is logged while keys cannot be read."""
    caplog.set_level(logging.DEBUG)
    ring = Keyset.from_file(file)
    logging.getLogger("portal").info("opened with %s %r %s", ring, OLD, {"keys": ring})
    file.write_text(f"{OLD.to_text()} {NEW.to_text()[:-2]}")
    assert not ring.reload()
    assert "cannot be read again" in caplog.text
    check(caplog.text)
    check("".join(f"{vars(record)}" for record in caplog.records))


def test_events_show_no_key() -> None:
    """Neither those of success nor those of refusal."""
    backend, events = ListBackend(), list[Event]()
    saved = repository(backend, OLD, on_event=events.append).save(ALICE)
    with pytest.raises(SealingError):
        repository(backend, NEW, on_event=events.append).save(ALICE)
    assert [event.kind for event in events] == ["created", "logged_in", "row_unreadable", "save_failed"]
    assert saved.access_token is not None
    check(f"{events}")
    assert saved.access_token not in f"{events}"
