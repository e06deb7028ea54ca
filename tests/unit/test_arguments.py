"""What is given to a public name is checked before anything is opened, in a sentence that names it."""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import zoho_tokenstore as z
from zoho_tokenstore import (
    ConfigurationError,
    RefreshPolicy,
    RepositoryStore,
    SessionPolicy,
    TokenRepository,
    _options,
)
from zoho_tokenstore._arguments import _CHECKS
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.registry import open_backend
from zoho_tokenstore.testing import make_token

AWS = {"region": "eu-central-1", "endpoint_url": "http://127.0.0.1:1"}


async def _observe(event: z.Event, reason: str | None = None) -> None:
    """Nobody would await it."""


class _Observer:
    async def __call__(self, event: z.Event) -> None:
        """Nobody would await it."""


OPENERS: dict[str, Callable[..., Any]] = {
    "SQLiteStore": lambda **o: z.SQLiteStore(**{"path": "tokens.db", **o}),
    "InMemoryStore": z.InMemoryStore,
    "ListStore": z.ListStore,
    "CSVStore": lambda **o: z.CSVStore(**{"path": "tokens.csv", **o}),
    "SQLStore": lambda **o: z.SQLStore(**{"url": "sql+sqlite:///tokens.db", **o}),
    "RedisStore": lambda **o: z.RedisStore(**{"url": "redis://127.0.0.1:1/0", **o}),
    "DynamoDBStore": lambda **o: z.DynamoDBStore(**{"table": "tokens", **AWS, **o}),
    "SecretsManagerStore": lambda **o: z.SecretsManagerStore(**{"prefix": "portal", **AWS, **o}),
    "TokenRepository": lambda **o: TokenRepository(ListBackend(), **o),
    "RepositoryStore": lambda **o: RepositoryStore(TokenRepository(ListBackend()), **o),
    "open_store": lambda **o: z.open_store(**{"url": "sqlite:///tokens.db", **o}),
    "open_repository": lambda **o: z.open_repository(**{"url": "sqlite:///tokens.db", **o}),
    "open_backend": lambda **o: open_backend(**{"url": "sqlite:///tokens.db", **o}),
}
"""Everything that opens tokens, with what makes it go on; an argument more takes precedence."""

STORES = [name for name in OPENERS if name.endswith("Store") and name != "RepositoryStore"]
COMMON = {"keys", "refresh", "sessions", "spool", "spent_codes", "on_event", "audit", "clock"}

BAD: dict[str, list[Any]] = {
    "path": [None, 17, b"tokens.db", "", "a\0b", "sqlite:///a.db", "redis://:very-secret@host", object()],
    "url": [17, b"sqlite:///a.db", Path("tokens.db"), object()],
    "refresh": [False, True, "off", 300, 0, {}, RefreshPolicy],
    "sessions": [False, True, 60, timedelta(hours=1), {}, SessionPolicy],
    "spool": [17, b"spool", "", "a\0b", "sqlite:///a.db", object()],
    "spent_codes": [None, "", "refused", True, b"find", ["find"]],
    "on_event": ["print", 17, [], True, _observe, partial(_observe, reason=None), _Observer()],
    "audit": [0, 1, "yes", []],
    "clock": [None, 17, "now", time.time, lambda: None],
    "timeout": [None, "30", True, False, 0, -1, math.nan, math.inf, -math.inf, 10**400, [], object()],
    "pool_size": [None, 0, -1, True, 2.0, "5"],
    "create": [None, 1, "yes"],
    "allow_eviction": [None, 0, "no"],
    "table": [None, "", 17, b"t"],
    "prefix": [None, "", 17, b"p"],
    "region": [17, "", b"eu-central-1"],
    "endpoint_url": [17, "", b"http://host"],
    "kms_key_id": [17, ""],
    "ssl_ca_certs": [17, "", b"ca.pem"],
    "ssl_ca_path": [17, ""],
    "ssl_certfile": [17, ""],
    "ssl_keyfile": [17, ""],
    "ssl_password": [17, "", b"very-secret"],
    "ssl_check_hostname": ["yes", 1],
    "sentinel_username": [17, ""],
    "sentinel_password": [17, "", b"very-secret"],
}
"""Wrong values for each argument that there is. `keys` are the key ring's to refuse."""


def parameters(name: str) -> list[str]:
    function = getattr(z, name, None) or open_backend
    signature = inspect.signature(function).parameters
    names = [one for one in signature if one not in ("self", "options")]
    unpacked = signature["options"].annotation if "options" in signature else ""
    kind = unpacked.removeprefix("Unpack[").removesuffix("]")
    return [*names, *vars(_options)[kind].__annotations__] if kind else names


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_every_argument_is_checked() -> None:
    """Each argument of each public opener has a check and wrong values here, or its part refuses it."""
    every = {argument for name in OPENERS for argument in parameters(name)}
    by_others = {"keys", "repository", "backend", "engine", "client", "session", "ssl_cert_reqs"}
    assert every - by_others == set(_CHECKS) == set(BAD)


@pytest.mark.parametrize("name", OPENERS)
def test_a_wrong_argument_is_named(name: str, tmp_path: Path, subtests: pytest.Subtests) -> None:
    """The error names the class or function that was written, and the argument; nothing was opened."""
    for argument in parameters(name):
        for value in BAD.get(argument, []):
            sentence = rf"^{name}: {argument} must be .*, not .*\.$"
            with subtests.test(argument=argument, value=value):
                with pytest.raises(ConfigurationError, match=sentence) as refused:
                    OPENERS[name](**{argument: value})
                assert "very-secret" not in str(refused.value)
                assert len(str(refused.value)) < 200
                assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", OPENERS)
def test_an_unknown_option_is_told_the_known_ones(name: str, tmp_path: Path) -> None:
    """An option that there is not is told by what was written, with all those that there are."""
    with pytest.raises(ConfigurationError) as refused:
        OPENERS[name](db_name="very-secret")
    assert str(refused.value).startswith(f"{name} has no option 'db_name'.")
    assert str(refused.value).endswith(f"Its options are {', '.join(parameters(name))}.")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("wrong", "right"), [("kyes", "keys"), ("on_events", "on_event"), ("refreshes", "refresh")]
)
def test_a_misspelt_option_is_told_the_right_one(wrong: str, right: str) -> None:
    """The nearest option is named first."""
    with pytest.raises(ConfigurationError, match=f"has no option '{wrong}'. Did you mean {right}[?]"):
        OPENERS["ListStore"](**{wrong: None})


@pytest.mark.parametrize("name", STORES)
def test_every_store_has_the_common_options(name: str) -> None:
    """What a repository and a refresh can be told, every store can be told, by keyword only."""
    found = inspect.signature(getattr(z, name)).parameters.values()
    assert {*parameters(name)} >= COMMON
    assert all(one.kind is inspect.Parameter.KEYWORD_ONLY for one in found if one.name in COMMON)
    rest = [one.annotation for one in found if one.kind is inspect.Parameter.VAR_KEYWORD]
    assert all(annotation.startswith("Unpack[") for annotation in rest)


@pytest.mark.parametrize("name", ["open_store", "open_repository"])
def test_so_have_the_functions(name: str) -> None:
    """`open_store` has all of them, `open_repository` all but those of a refresh."""
    wanted = COMMON if name == "open_store" else COMMON - {"refresh", "sessions", "spool"}
    assert set(parameters(name)) == {"url", *wanted}


BACKENDS = {
    "SQLiteStore": "sqlite:SQLiteBackend",
    "CSVStore": "csv:CSVBackend",
    "SQLStore": "sql:SQLBackend",
    "RedisStore": "redis:RedisBackend",
    "DynamoDBStore": "dynamodb:DynamoDBBackend",
    "SecretsManagerStore": "secretsmanager:SecretsManagerBackend",
}


@pytest.mark.parametrize("name", BACKENDS)
def test_a_store_has_the_options_of_its_backend(name: str) -> None:
    """Each option of a backend is one of its store, with the same default."""
    module, _, kind = BACKENDS[name].partition(":")
    imported = pytest.importorskip(f"zoho_tokenstore.backends.{module}", exc_type=ImportError)
    theirs = dict(inspect.signature(getattr(imported, kind)).parameters)
    theirs.pop("extra", None)
    ours = inspect.signature(getattr(z, name)).parameters
    assert set(theirs) <= set(ours) - COMMON
    for one, parameter in theirs.items():
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            assert ours[one].default == parameter.default


@pytest.mark.parametrize(
    "stranger", ["sqlite:///a.db", None, ListBackend(), object()], ids=lambda one: type(one).__name__
)
def test_a_repository_store_wants_a_repository(stranger: Any) -> None:
    """A URL or a backend in the place of a repository is told where it belongs."""
    with pytest.raises(ConfigurationError, match=r"^RepositoryStore: repository must be a TokenRepository"):
        RepositoryStore(stranger)


def test_nothing_wrong_is_found_in_what_is_right(tmp_path: Path) -> None:
    """Paths of any kind, whole numbers of seconds, and `None` where it says so, are accepted."""
    for path in ("a.db", tmp_path / "b.db"):
        z.SQLiteStore(path, timeout=1, refresh=None, on_event=None, keys=None).close()
    z.ListStore(refresh=RefreshPolicy(), spent_codes="find", on_event=print, clock=lambda: 5).close()
    RepositoryStore(TokenRepository(ListBackend()), refresh=None).close()


@pytest.mark.parametrize("function", [z.open_tokens, z.open_async_tokens])
def test_tokens_are_always_renewed(function: Callable[..., Any]) -> None:
    """Without the SDK nobody else would: `refresh=None`, as for a store, is refused."""
    with pytest.raises(ConfigurationError, match=r"^open_tokens: refresh must be a RefreshPolicy"):
        function("list://", refresh=None)


def test_no_policy_leaves_every_refresh_to_the_sdk() -> None:
    """`refresh=None` takes no part in refreshes; without the argument the default policy does."""
    with z.ListStore(refresh=None) as plain, z.ListStore() as renewing:
        assert plain._renewer is None
        assert renewing._renewer is not None
        for store in (plain, renewing):
            token = make_token(access_token="1000.a", refresh_token="1000.r")
            token.set_expires_in("1")
            store.save_token(token)
        assert plain.find_token_by_id(plain.get_tokens()[0].get_id()).get_expires_in() == "1"
        with pytest.raises(z.AccountsError, match="has expired"):
            renewing.find_token_by_id(renewing.get_tokens()[0].get_id())
