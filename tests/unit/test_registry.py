"""From a URL to a store."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult

import pytest

from zoho_tokenstore import (
    ListStore,
    RepositoryStore,
    TokenRecord,
    TokenRepository,
    open_repository,
    open_store,
    registry,
)
from zoho_tokenstore._matching import SpentCodes
from zoho_tokenstore._util.urls import taken_out
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
    modules = [path.stem for path in folder.iterdir() if not path.stem.startswith("_")]
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


def test_blanks_around_a_url_are_no_part_of_it(tmp_path: Path) -> None:
    """A file adds a line end, an editor a blank: the store is the same, not a new one beside it."""
    for url in (f"sqlite:///{tmp_path}/tokens.db", f" sqlite:///{tmp_path}/tokens.db \n"):
        open_repository(url).close()
    assert [path.name for path in tmp_path.iterdir()] == ["tokens.db"]


@pytest.mark.parametrize(
    "url", ["sqlite:///to\nkens.db", "csv:///to\tkens.csv", "sqlite:///tokens.db\r?timeout=1"]
)
def test_a_line_break_in_a_url_is_refused(url: str) -> None:
    """Python would leave it out, and open another store."""
    with pytest.raises(ConfigurationError, match="line break or a tab"):
        open_repository(url)


@pytest.mark.parametrize("url", ["sqlite:////", "csv:////"])
def test_the_root_is_no_file(url: str) -> None:
    with pytest.raises(ConfigurationError, match="needs the path of"):
        open_repository(url)


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
    ("url", "meant"),
    [
        ("sqlite3:///tokens.db", "sqlite"),
        ("postgre://host/db", "postgres"),
        ("postgresql+psycopg://host/db", "postgresql"),
        ("postgres+asyncpg://host/db", "postgres"),
        ("mysql+pymysql://host/db", "mysql"),
        ("maria://host/db", "mariadb"),
        ("redis+sentinal://host", "redis+sentinel"),
        ("valky://host", "valkey"),
        ("dynamo://eu-central-1/tokens", "dynamodb"),
        ("secretmanager:///portal", "secretsmanager"),
        ("mem://", "memory"),
    ],
)
def test_a_scheme_nearly_right_is_told_the_right_one(url: str, meant: str) -> None:
    """A near miss, and SQLAlchemy's way to write a driver, is answered with the word that is meant."""
    with pytest.raises(ConfigurationError, match=rf"Did you mean {re.escape(meant)}\? Known: "):
        open_store(url)


@pytest.mark.parametrize("scheme", ["mongodb", "file", "https"])
def test_a_scheme_far_from_all_gets_no_hint(scheme: str) -> None:
    """Where nothing is near, only what there is is told."""
    with pytest.raises(ConfigurationError, match=f"'{scheme}'[.] Known: csv, .*sql[+]DIALECT"):
        open_store(f"{scheme}://server/db")


@pytest.mark.parametrize(
    ("written", "known"),
    [
        ("postgres", "postgresql"),
        ("POSTGRES", "postgresql"),
        ("valkey", "redis"),
        ("valkeys", "rediss"),
        ("valkey+cluster", "redis+cluster"),
        ("valkeys+cluster", "rediss+cluster"),
        ("valkey+sentinel", "redis+sentinel"),
        ("valkeys+sentinel", "rediss+sentinel"),
    ],
)
def test_two_words_for_one_scheme(written: str, known: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What others write opens the same backend, which sees the word that it knows, and the rest as it was."""
    seen: list[str] = []

    class Opened:
        @staticmethod
        def from_url(parts: SplitResult) -> ListBackend:
            seen.append(parts.geturl())
            return ListBackend()

    monkeypatch.setattr(registry, "_class_for", lambda scheme: Opened)
    rest = "portal:p%40ss@host1:1,host2:2/0?prefix=A&timeout=5"
    open_backend(f"{written}://{rest}").close()
    assert seen == [f"{known}://{rest}"]


@pytest.mark.parametrize(
    ("url", "given", "expected"),
    [
        ("list://", "self-client", "self-client"),
        ("list://", "find", "find"),
        ("list://?spent_codes=refuse", "self-client", "refuse"),
        ("list://?spent_codes=self-client", "find", "self-client"),
        ("sqlite:///tokens.db?timeout=5&spent_codes=find", "refuse", "find"),
        ("sqlite:///tokens.db?spent_codes=find&timeout=5", "self-client", "find"),
    ],
)
@pytest.mark.parametrize("opens", [open_repository, open_store])
def test_the_url_says_what_becomes_of_spent_codes(
    url: str, given: SpentCodes, expected: str, opens: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The repository gets the option, from the URL if it is there, and the backend does not see it."""
    seen: list[str] = []

    class Told(TokenRepository):
        def __init__(self, backend: Any, *, spent_codes: Any, **options: Any) -> None:
            seen.append(spent_codes)
            super().__init__(backend, spent_codes=spent_codes, **options)

    monkeypatch.setattr(registry, "TokenRepository", Told)
    with opens(url, spent_codes=given):
        assert seen == [expected]


@pytest.mark.parametrize("value", ["very-secret", "", "find&spent_codes=find", "FIND"])
def test_a_wrong_word_for_spent_codes_is_refused(value: str) -> None:
    """A value that is none is told by its option and the values that there are, without being shown."""
    for opens in (open_repository, open_store, open_backend):
        with pytest.raises(ConfigurationError, match="spent_codes must be 'self-client', 'find'") as refused:
            opens(f"list://?spent_codes={value}")
        assert "very-secret" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "list://#very-secret",
        "memory://#very-secret",
        "list://?spent_codes=find#very-secret",
        "sqlite:///tokens#very-secret",
        "csv:///tokens?timeout=5#very-secret",
        "redis://:half#very-secret@host",
        "dynamodb:///tokens#very-secret",
        "secretsmanager:///tokens#very-secret",
        "postgresql://host/tokens#very-secret",
    ],
)
def test_a_fragment_is_refused(url: str, tmp_path: Path) -> None:
    """It belongs to a name or a password: `tokens#prod` and `tokens#test` are not both `tokens`."""
    with pytest.raises(ConfigurationError, match="%23") as refused:
        open_backend(url)
    assert "very-secret" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url",
    [
        "redis://user:half?spent_codes=x@host:6379",
        "postgresql://u:p#?spent_codes=find@host/db",
        "sqlite:///a?b=c&&d",
        "list://",
    ],
)
def test_a_url_without_the_option_stays_as_it_is(url: str) -> None:
    """What looks like an option in a password is not taken for one, or what is left is still refused."""
    left, found = taken_out(url, "spent_codes")
    assert (left, found) == (url, []) or found == ["x@host:6379"]


@pytest.mark.parametrize(
    ("url", "left", "values"),
    [
        ("a://b?spent_codes=find", "a://b", ["find"]),
        ("a://b?x=1&spent_codes=find&y=2", "a://b?x=1&y=2", ["find"]),
        ("a://b?spent_codes=a&spent_codes=b", "a://b", ["a", "b"]),
        ("a://b?spent_codes=self%2Dclient#f", "a://b#f", ["self-client"]),
        ("a://b?not_spent_codes=1", "a://b?not_spent_codes=1", []),
    ],
)
def test_an_option_is_taken_out_of_a_url(url: str, left: str, values: list[str]) -> None:
    """The rest of the URL stays character for character."""
    assert taken_out(url, "spent_codes") == (left, values)


def test_what_is_opened_in_vain_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that cannot be used are told, and the backend that was opened for them is closed."""
    closed: list[object] = []
    wrong: Any = 17
    monkeypatch.setattr(ListBackend, "close", lambda self: closed.append(self))
    for opens in (lambda: open_repository("list://", keys=wrong), lambda: ListStore(keys=wrong)):
        with pytest.raises(ConfigurationError, match="keys"):
            opens()
    assert len(closed) == 2


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
        ("csv:///tokens.txt?timeout=1e300", "above zero"),
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
    assert [(event.kind, event.at_ms) for event in seen] == [
        (EventKind.CREATED, 5),
        (EventKind.LOGGED_IN, 5),
    ]


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


def test_the_extra_all_brings_every_other_one() -> None:
    """`pip install "zoho-tokenstore[all]"` leaves nothing out."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    (every,) = project["optional-dependencies"].pop("all")
    named = every.removeprefix("zoho-tokenstore[").removesuffix("]").split(",")
    assert sorted(named) == sorted(project["optional-dependencies"])
