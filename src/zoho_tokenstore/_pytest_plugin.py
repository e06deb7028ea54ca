"""The plugin of pytest: ``pytest --zoho-token-store=package.module:factory`` runs the contract over a store.

Its fixtures are for the tests of applications: docs/how-to/test-your-application.md. pytest loads it wherever
this package is installed, so it imports nothing until it is used.
"""

from __future__ import annotations

import sysconfig
from json import dumps  # by its name: a store may replace it
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from zoho_tokenstore.emulator import Emulator, EmulatorOptions
    from zoho_tokenstore.sdk import RepositoryStore
    from zoho_tokenstore.testing.doubles import BrowserLogin, LoggedInUser

_GIVEN: Final = Path(__file__).parent / "testing" / "_given.py"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("zoho-tokenstore")
    group.addoption(
        "--zoho-token-store",
        metavar="MODULE:FACTORY",
        help="run the contract of Zoho's TokenStore over the stores that this makes",
    )
    group.addoption(
        "--zoho-token-store-driver",
        metavar="COMMAND",
        help="run it over the store of another language that this command answers for",
    )
    group.addoption(
        "--zoho-abilities",
        metavar="LIST",
        help="what the store is able to do, if not persistent,shared,files; or none",
    )
    group.addoption("--zoho-results", metavar="FILE", help="append each clause's outcome to a file, as JSON")


def pytest_configure(config: pytest.Config) -> None:
    is_given = config.getoption("zoho_token_store") or config.getoption("zoho_token_store_driver")
    if is_given and not any(str(_GIVEN) in arg for arg in config.args):
        config.args.append(str(_GIVEN))
    results = config.getoption("zoho_results")
    if results:
        config.pluginmanager.register(_Results(Path(results)))


class _Results:
    """Writes what becomes of each test, as soon as it is known: a store may take the whole process down."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._difference = ""

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._difference = ""
        self._write(test=nodeid)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, Any, Any]:
        report = yield
        case = getattr(item, "callspec", None)
        report.zoho_case = {} if case is None else {name: repr(value) for name, value in case.params.items()}
        return report

    def pytest_assertrepr_compare(self, op: str, left: Any, right: Any) -> list[str] | None:
        from zoho_tokenstore.testing._differences import explain

        self._difference = explain(op, left, right) or ""
        return [self._difference] if self._difference else None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or not report.passed:
            self._write(
                test=report.nodeid,
                outcome="failed" if _is_left_out_by_store(report) else report.outcome,
                when=report.when,
                seconds=report.duration,
                reason=self._reason_of(report),
                place=_place_of(report),
                case=getattr(report, "zoho_case", {}),
                example=_example_of(report),
            )

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        if exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            self._write(test="")

    def _write(self, **values: Any) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(dumps(values) + "\n")

    def _reason_of(self, report: pytest.TestReport) -> str:
        if report.skipped and isinstance(report.longrepr, tuple):
            return str(report.longrepr[2]).removeprefix("Skipped: ")
        message = str(getattr(getattr(report.longrepr, "reprcrash", None), "message", ""))
        return self._difference if self._difference and self._difference in message else message


def _is_left_out_by_store(report: pytest.TestReport) -> bool:
    """Return whether a clause was skipped, and by an exception that the contract has not raised."""
    where = report.longrepr[0] if isinstance(report.longrepr, tuple) else ""
    return report.skipped and not Path(where).resolve().is_relative_to(_GIVEN.parent.resolve())


def _place_of(report: pytest.TestReport) -> str:
    """Return the last line of the store's own code that an exception went through, as ``file:line``."""
    places = [entry.reprfileloc for entry in _entries_of(report) if entry.reprfileloc is not None]
    own = [place for place in places if _is_own(Path(place.path).resolve())]
    return f"{Path(own[-1].path).name}:{own[-1].lineno}" if own else ""


def _is_own(path: Path) -> bool:
    """Return whether a file belongs neither to the contract nor to Python or an installed package."""
    known = (_GIVEN.parent.resolve(), Path(sysconfig.get_path("stdlib")).resolve())
    return "site-packages" not in path.parts and not any(path.is_relative_to(other) for other in known)


def _entries_of(report: pytest.TestReport) -> list[Any]:
    return getattr(getattr(report.longrepr, "reprtraceback", None), "reprentries", None) or []


def _example_of(report: pytest.TestReport) -> list[str]:
    """Return the lines of the clause from after its docstring up to the one that failed."""
    entries = _entries_of(report)
    shown = map(str, entries[0].lines) if entries else ()
    lines = [line for line in shown if line.strip("^ ") and not line.startswith("E ")]
    lines = [" " + line[1:] if line.startswith(">") else line for line in lines]
    ends = [number for number, line in enumerate(lines) if line.rstrip().endswith('"""')]
    return [line.rstrip() for line in lines[ends[0] + 1 if ends else 0 :]]


@pytest.fixture(scope="session")
def zoho_options() -> EmulatorOptions:
    """The options of the local Zoho; override it to change them, such as the redirect URIs."""
    from zoho_tokenstore.emulator import EmulatorOptions

    hosts = "testserver", "localhost", "localhost:8000", "localhost:5000", "127.0.0.1:8000"
    return EmulatorOptions(redirect_uris=tuple(f"http://{host}/callback" for host in hosts))


@pytest.fixture(scope="session")
def _running_zoho(zoho_options: EmulatorOptions) -> Iterator[Emulator]:
    from zoho_tokenstore.emulator import Emulator

    with Emulator(zoho_options) as running:
        yield running


@pytest.fixture
def zoho(_running_zoho: Emulator) -> Emulator:
    """A running local Zoho, as new: nobody is logged in, nothing was asked."""
    _running_zoho.reset()
    return _running_zoho


@pytest.fixture
def token_store(zoho: Emulator, tmp_path: Path) -> Iterator[RepositoryStore]:
    """A store without tokens, which Zoho's SDK is initialized with, for the local Zoho and with no user."""
    from zoho_tokenstore.sdk import SQLiteStore
    from zoho_tokenstore.sdk._zoho import environment_of

    with SQLiteStore(tmp_path / "tokens.db") as store:
        store.initialize_sdk(environment_of(*zoho.environment_args()), resource_path=str(tmp_path))
        yield store


@pytest.fixture
def logged_in_user(zoho: Emulator, token_store: RepositoryStore) -> LoggedInUser:
    """A user of the local Zoho who is logged in, in `token_store`."""
    from zoho_tokenstore._logins import Client, RefreshToken
    from zoho_tokenstore.testing.doubles import LoggedInUser

    user, client = zoho.default_users[0], zoho.default_client
    login = token_store.tokens.log_in(
        Client(client.client_id, client.client_secret),
        RefreshToken(zoho.mint_refresh_token(user=user)),
        api_domain=zoho.url,
    )
    return LoggedInUser(login.id or "", login.user_name or "", user.email)


@pytest.fixture
def browser_login(zoho: Emulator) -> BrowserLogin:
    """A user at a browser, who follows the address of a login and consents."""
    from zoho_tokenstore.testing.doubles import BrowserLogin

    return BrowserLogin(zoho)
