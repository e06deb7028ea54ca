"""From a URL to a store."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoho_tokenstore import ListStore, RepositoryStore, TokenRecord, open_repository, open_store, registry
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.backends.memory import MemoryBackend
from zoho_tokenstore.backends.sqlite import SQLiteBackend
from zoho_tokenstore.errors import BackendError, ConfigurationError
from zoho_tokenstore.events import Event, EventKind
from zoho_tokenstore.registry import URL_VARIABLE, open_backend

ALICE = TokenRecord(user_name="alice", access_token="a")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty current folder, and no URL in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(URL_VARIABLE, raising=False)


def test_the_schemes_are_those_of_the_backends() -> None:
    """Every public module in `backends` has a scheme of its own name; the SQL servers share one module."""
    folder = Path(registry.__file__).parent / "backends"
    modules = [path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")]
    assert registry.schemes() == sorted([*modules, "mysql", "postgresql"])


@pytest.mark.parametrize(
    ("url", "backend"),
    [
        ("list://", ListBackend),
        ("memory://", MemoryBackend),
        ("sqlite:///tokens.db", SQLiteBackend),
        ("LIST://", ListBackend),
        ("SQLite:///tokens.db?timeout=5", SQLiteBackend),
    ],
)
def test_a_scheme_opens_its_backend(url: str, backend: type) -> None:
    """The scheme chooses the backend, in capitals or not."""
    opened = open_backend(url)
    assert type(opened) is backend
    opened.close()


def test_three_slashes_are_relative_and_four_absolute(tmp_path: Path) -> None:
    """A path behind three slashes is in the current folder, behind four it is the whole path."""
    with open_repository("sqlite:///here.db"):
        assert (tmp_path / "here.db").is_file()
    with open_repository(f"sqlite:///{tmp_path}/there.db") as repository:
        assert (tmp_path / "there.db").is_file()
        assert repository.location == str(tmp_path / "there.db")


def test_a_path_is_unquoted(tmp_path: Path) -> None:
    """Percent signs spell what a URL cannot hold: blanks, question marks, letters of any script."""
    with open_repository("sqlite:///a%20b%3F%23%C3%A9.db"):
        assert (tmp_path / "a b?#é.db").is_file()


def test_a_repository_and_a_store_open_the_same_tokens() -> None:
    """`open_store` and `open_repository` are two views of one database."""
    with open_repository("sqlite:///tokens.db") as repository, open_store("sqlite:///tokens.db") as store:
        saved = repository.save(ALICE)
        assert isinstance(store, RepositoryStore)
        assert [token.get_id() for token in store.get_tokens()] == [saved.id]


@pytest.mark.parametrize("url", ["list://", "memory://"])
def test_stores_inside_the_process_are_new_each_time(url: str) -> None:
    """Opening `list://` or `memory://` twice gives two stores that know nothing of each other."""
    with open_repository(url) as one, open_repository(url) as other:
        one.save(ALICE)
        assert (one.count(), other.count()) == (1, 0)


def test_the_environment_names_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a URL, that of the environment is opened; one that is passed comes first."""
    monkeypatch.setenv(URL_VARIABLE, "sqlite:///default.db")
    assert URL_VARIABLE == "ZOHO_TOKENSTORE_URL"
    with open_repository() as repository, open_store() as store:
        assert repository.location == store.repository.location == str(tmp_path / "default.db")
    with open_repository("list://") as repository:
        assert repository.location == "list://"


@pytest.mark.parametrize("value", [None, ""])
def test_no_url_at_all(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    """Without any URL the error names the variable to set."""
    if value is not None:
        monkeypatch.setenv(URL_VARIABLE, value)
    with pytest.raises(ConfigurationError, match="ZOHO_TOKENSTORE_URL"):
        open_repository()


def test_an_unknown_scheme_names_the_known_ones() -> None:
    """A scheme that nobody serves is refused with those that are."""
    with pytest.raises(ConfigurationError, match=r"'mongo'.*csv, dynamodb, list, .*, sqlite"):
        open_store("mongo://server/db")


@pytest.mark.parametrize(
    "url",
    [
        "very-secret",
        "C:\\very-secret\\tokens.db",
        "/very-secret/tokens.db",
        "sqlite:very-secret.db",
        "://very-secret",
        "//user:very-secret@host",
        "http://[very-secret",
        "mongo://user:very-secret@host/db",
        "list://user:very-secret@host",
        "memory:///very-secret",
        "sqlite://user:very-secret@host/tokens.db",
        "sqlite:///tokens.db?timeout=very-secret",
        # Signs that the standard library refuses in a host, with a message that shows the login.
        *(
            f"{scheme}://user:very-secret\u2100@host/db"
            for scheme in (
                "sqlite",
                "csv",
                "postgresql",
                "mysql",
                "mariadb",
                "redis",
                "dynamodb",
                "secretsmanager",
            )
        ),
        *(f"{scheme}://[very-secret/db" for scheme in ("postgresql", "redis+sentinel", "dynamodb")),
        "dynamodb://eu-central-1/tokens?endpoint_url=http://user:very-secret\u2100@host",
        "secretsmanager://eu-central-1/tokens?endpoint_url=http://user:very-secret\u2100@host",
        "dynamodb://eu-central-1/tokens?endpoint_url=http://[very-secret",
        "redis://user:half?very-secret@host:6379?prefix=x",
    ],
)
def test_a_wrong_url_is_refused_without_showing_it(url: str) -> None:
    """What cannot be opened is a `ConfigurationError` that repeats nothing a password may be in."""
    with pytest.raises(ConfigurationError) as refused:
        open_repository(url)
    assert len(str(refused.value)) > 20
    seen: BaseException | None = refused.value
    while seen is not None:  # what is only the context is shown by some loggers, too
        assert "very-secret" not in str(seen) + repr(seen)
        seen = seen.__cause__ or seen.__context__


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("list://?timeout=1", "options of a list URL are none"),
        ("memory://?x=1", "options of a memory URL are none"),
        ("sqlite:///tokens.db?timout=1", "timeout, each once; not timout"),
        ("sqlite:///tokens.db?timeout=1&timeout=2", "each once"),
        ("sqlite:///tokens.db?timeout=0", "timeout must be a number of seconds above zero"),
        ("sqlite:///tokens.db?timeout=-1", "above zero"),
        ("sqlite:///tokens.db?timeout=inf", "above zero"),
        ("sqlite:///tokens.db?timeout=nan", "above zero"),
        ("sqlite:///tokens.db?timeout=", "above zero"),
        ("sqlite://", "three slashes"),
        ("sqlite:///", "three slashes"),
        ("list://here", "no address"),
        ("memory:///here", "no address"),
    ],
)
def test_a_wrong_option_is_refused_by_name(url: str, message: str) -> None:
    """Options and addresses that a backend does not know are refused, and the known ones named."""
    with pytest.raises(ConfigurationError, match=message):
        open_repository(url)


def test_options_go_to_the_repository() -> None:
    """Options beside the URL are those of the repository."""
    seen: list[Event] = []
    with open_store("list://", on_event=seen.append, clock=lambda: 5) as store:
        store.repository.save(ALICE)
    assert [(event.kind, event.at_ms) for event in seen] == [(EventKind.CREATED, 5)]
    with pytest.raises(TypeError, match="no_such_option"):
        open_store("list://", no_such_option=1)


def test_a_store_closes_at_the_end_of_its_block() -> None:
    """A store is a context manager, and what is used after its end is refused."""
    with open_store("list://") as store:
        assert store.get_tokens() == []
    with pytest.raises(BackendError, match="closed"):
        store.get_tokens()


def test_a_store_tells_where_it_is(tmp_path: Path) -> None:
    """The text of a store and of a repository names the class and the place."""
    with ListStore() as store, open_repository("sqlite:///tokens.db") as repository:
        assert repr(store) == "ListStore('list://')"
        assert repr(repository) == f"TokenRepository({str(tmp_path / 'tokens.db')!r})"
