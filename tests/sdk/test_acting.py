"""Acting as a user: each call of the SDK is made as the user of its block, or not at all."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import greenlet  # type: ignore[import-untyped]
import pytest

from tests.sdk import app
from tests.sdk.app import Initializer, SDKException
from tests.sdk.generation import SDK
from zoho_tokenstore import (
    AsyncTokens,
    Client,
    ConfigurationError,
    InMemoryStore,
    InvalidTokenError,
    RefreshToken,
    RepositoryStore,
    Revoked,
    TokenNotFoundError,
    TokenRecord,
    Tokens,
    open_store,
    open_tokens,
)
from zoho_tokenstore.emulator import Emulator
from zoho_tokenstore.login import acts_as
from zoho_tokenstore.renewal import _datacenters as datacenters
from zoho_tokenstore.sdk._acting import _environment


class Office:
    """A store with logins of several users, and the SDK with nobody as its user."""

    def __init__(self, zoho: Emulator, folder: Path, opened: ExitStack) -> None:
        self.zoho = zoho
        self.store: RepositoryStore = opened.enter_context(open_store(f"sqlite:///{folder}/tokens.db"))
        self.store.initialize_sdk(app.environment(zoho.environment_args()), resource_path=str(folder))
        self.tokens = self.store.tokens
        self.client = Client(zoho.default_client.client_id, zoho.default_client.client_secret)

    def log_in(self, name: str) -> str:
        """Log somebody in; return the id of the login."""
        user = self.zoho.add_user(f"{name}@zylker.example", name, zgid="7")
        token = RefreshToken(self.zoho.mint_refresh_token(user=user))
        login = self.tokens.log_in(self.client, token, user_name=name, api_domain=self.zoho.url)
        return login.id or ""

    def creators(self) -> dict[str, str]:
        """Return whom Zoho saw creating each lead."""
        with self.tokens.acting_as(self.log_in("reader")):
            return app.leads()


@pytest.fixture
def office(zoho: Emulator, tmp_path: Path) -> Iterator[Office]:
    with ExitStack() as opened:
        yield Office(zoho, tmp_path, opened)


def acts() -> bool:
    """Return whether somebody acts in this thread."""
    try:
        app.leads()
    except SDKException as error:
        if "acting_as" not in str(error):
            raise
        return False
    return True


def test_a_block_acts_as_its_user(office: Office) -> None:
    """Nested blocks restore the outer user; outside of all, nobody acts, and nobody is guessed."""
    ann, bob = office.log_in("ann"), office.log_in("bob")
    assert not acts()
    with office.tokens.acting_as(ann) as login:
        assert login.user_name == "ann"
        app.create_lead("one")
        with office.tokens.acting_as(bob):
            app.create_lead("two")
        app.create_lead("three")
    assert not acts()
    assert office.creators() == {"one": "ann", "two": "bob", "three": "ann"}


def test_an_outer_blocks_data_centre_is_its_users_own(office: Office) -> None:
    """A login without an API domain is asked for where the SDK was initialized, also inside of another's."""
    repository, far = office.store.repository, 4_102_444_800_000
    eu, unknown = (
        repository.save(
            TokenRecord(user_name=name, access_token=name, api_domain=domain, expires_at_ms=far)
        ).id
        or ""
        for name, domain in (("eva", "https://www.zohoapis.eu"), ("una", None))
    )
    with office.tokens.acting_as(eu):
        assert Initializer.get_initializer().environment.url == "https://www.zohoapis.eu"
        with office.tokens.acting_as(unknown):
            assert Initializer.get_initializer().environment.url == office.zoho.url
        assert Initializer.get_initializer().environment.url == "https://www.zohoapis.eu"


def test_a_login_without_a_domain_is_revoked_where_the_sdk_was_initialized(office: Office) -> None:
    """Not in the data centre of the block's user, where nobody knows it."""
    save = office.store.repository.save
    eva = TokenRecord(access_token="a", api_domain="https://www.zohoapis.eu", expires_at_ms=4_102_444_800_000)
    una = save(TokenRecord(refresh_token=office.zoho.mint_refresh_token()))
    with office.tokens.acting_as(save(eva).id or ""):
        assert office.tokens.log_out(una.id or "") is Revoked.REVOKED


def test_where_a_sandboxs_files_go(office: Office) -> None:
    """To the server for files of its data centre, which is not named after the sandbox."""
    sandbox = TokenRecord(access_token="a", api_domain="https://sandbox.zohoapis.sa", expires_at_ms=2**42)
    login = office.store.repository.save(sandbox)
    with office.tokens.acting_as(login.id or ""):
        assert Initializer.get_initializer().environment.file_upload_url == "https://files.zoho.sa"


def test_what_acted_before_goes_on(office: Office) -> None:
    """Code that switches users by the SDK itself finds its user again."""
    ann, bob = office.log_in("ann"), office.log_in("bob")
    Initializer.switch_user(token=app.token_of(id=bob))
    with office.tokens.acting_as(ann):
        app.create_lead("one")
    app.create_lead("two")
    assert office.creators() == {"one": "ann", "two": "bob"}


def test_an_error_leaves_nobody(office: Office) -> None:
    """Whatever the block raises."""
    ann = office.log_in("ann")
    with pytest.raises(KeyError), office.tokens.acting_as(ann):
        raise KeyError
    assert not acts()


def test_threads_act_as_their_own_users(office: Office) -> None:
    """Eight threads, four users, in turn: every record is its writer's."""
    logins = {name: office.log_in(name) for name in ("ann", "bob", "cleo", "dave")}

    def write(number: int) -> None:
        name = list(logins)[number % 4]
        with office.tokens.acting_as(logins[name]):
            app.create_lead(f"{number}-{name}")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(40)))
    found = office.creators()
    assert len(found) == 40
    assert {lead.partition("-")[2] == creator for lead, creator in found.items()} == {True}


def test_a_thread_started_inside_acts_as_nobody(office: Office) -> None:
    """The SDK's user belongs to a thread."""
    ann = office.log_in("ann")
    seen: list[bool] = []
    with office.tokens.acting_as(ann):
        thread = threading.Thread(target=lambda: seen.append(acts()))
        thread.start()
        thread.join()
    assert seen == [False]


def test_a_block_that_is_left_in_another_thread(office: Office) -> None:
    """Leaving raises, and the thread that stays in the block acts as nobody."""
    block = office.tokens.acting_as(office.log_in("ann"))
    seen: list[bool] = []
    left = threading.Event()

    def enter() -> None:
        block.__enter__()
        entered.set()
        left.wait(10)
        try:
            app.leads()
        except SDKException:
            seen.append(False)
        else:
            seen.append(True)

    entered = threading.Event()
    thread = threading.Thread(target=enter)
    thread.start()
    entered.wait(10)
    with pytest.raises(ConfigurationError, match="left in another"):
        block.__exit__(None, None, None)
    left.set()
    thread.join()
    assert seen == [False]
    assert not acts()


class GreenletLocal:
    """What `threading.local` is once gevent or eventlet has patched it."""

    def __init__(self) -> None:
        vars(self)["_of"] = WeakKeyDictionary()

    def __getattr__(self, name: str) -> Any:
        try:
            return self._of[greenlet.getcurrent()][name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: object) -> None:
        self._of.setdefault(greenlet.getcurrent(), {})[name] = value

    def __delattr__(self, name: str) -> None:
        del self._of[greenlet.getcurrent()][name]


def test_greenlets_that_share_a_local_are_refused(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another one would act as the block's user. Where each has a local of its own, it acts."""

    def work(login_id: str) -> bool:
        with office.tokens.acting_as(login_id):
            return acts()

    ann = office.log_in("ann")
    with pytest.raises(ConfigurationError, match=r"in a greenlet.*don't use --preload"):
        greenlet.greenlet(work).switch(ann)
    assert not acts()
    monkeypatch.setattr(Initializer, "LOCAL", GreenletLocal())
    assert greenlet.greenlet(work).switch(ann)
    assert not acts()


def test_blocks_that_are_left_in_another_order(office: Office) -> None:
    """They raise, and nobody acts."""
    outer, inner = (office.tokens.acting_as(office.log_in(name)) for name in ("ann", "bob"))
    outer.__enter__()
    inner.__enter__()
    with pytest.raises(ConfigurationError, match="another order"):
        outer.__exit__(None, None, None)
    assert not acts()


def test_a_block_is_entered_once(office: Office) -> None:
    block = office.tokens.acting_as(office.log_in("ann"))
    with block, pytest.raises(ConfigurationError, match="entered before"):
        block.__enter__()
    assert not acts()


@pytest.mark.parametrize("login_id", [None, 1, "nobody", ""])
def test_no_such_login(office: Office, login_id: Any) -> None:
    """The block is not run."""
    with pytest.raises((TokenNotFoundError, InvalidTokenError)), office.tokens.acting_as(login_id):
        pytest.fail("somebody acts")


def test_a_deleted_login_acts_no_more(office: Office) -> None:
    """Neither in a new block, nor in the one that is running."""
    ann = office.log_in("ann")
    with office.tokens.acting_as(ann):
        office.tokens.revoke(ann)
        with pytest.raises((SDKException, app.RefusedError)):
            app.leads()
    with pytest.raises(TokenNotFoundError), office.tokens.acting_as(ann):
        pytest.fail("somebody acts")


def test_the_sdk_uses_another_store(office: Office, tmp_path: Path) -> None:
    """It would look the login up there: refused."""
    token = RefreshToken(office.zoho.mint_refresh_token())
    with open_tokens(f"sqlite:///{tmp_path}/other.db", accounts_url=office.zoho.accounts_url) as other:
        login = other.log_in(office.client, token, user_name="x", api_domain=office.zoho.url)
        with pytest.raises(ConfigurationError, match="initialize_sdk"), other.acting_as(login.id or ""):
            pytest.fail("somebody acts")


def test_what_is_no_environment(office: Office) -> None:
    """The SDK would keep it, and fail at every call: refused, and the store goes on with the one it has."""
    ann = office.log_in("ann")
    for wrong in ("us", app.environment):  # a function that was not called, as `EUDataCenter.PRODUCTION`
        with pytest.raises(ConfigurationError, match="one of the SDK's"):
            office.store.initialize_sdk(wrong)
    assert office.tokens.act_as(ann, lambda: "acts") == "acts"


def test_another_store_in_memory(office: Office) -> None:
    """Two of them have one name, and their ids may be the same: those of other people."""
    with InMemoryStore() as mine, InMemoryStore() as other:
        mine.initialize_sdk(app.environment(office.zoho.environment_args()))
        token = RefreshToken(office.zoho.mint_refresh_token())
        login = other.tokens.log_in(office.client, token, user_name="x", api_domain=office.zoho.url)
        with (
            pytest.raises(ConfigurationError, match="initialize_sdk"),
            other.tokens.acting_as(login.id or ""),
        ):
            pytest.fail("somebody acts")


class TestEventLoop:
    """Coroutines share their thread."""

    def test_a_block_in_a_coroutine_is_refused(self, office: Office) -> None:
        """Others would act as its user at the next await."""
        ann = office.log_in("ann")

        async def act() -> None:
            with office.tokens.acting_as(ann):
                pytest.fail("somebody acts")

        with pytest.raises(ConfigurationError, match="run_as"):
            asyncio.run(act())

    @pytest.mark.parametrize("kind", [Tokens, AsyncTokens])
    def test_functions_run_as_their_users(self, office: Office, kind: type[Any]) -> None:
        """Sixty at once, of four users: every record is its writer's, and their results come back."""
        logins = {name: office.log_in(name) for name in ("ann", "bob", "cleo", "dave")}

        async def write() -> list[str]:
            tokens = office.tokens if kind is Tokens else AsyncTokens(office.tokens)
            names = [list(logins)[number % 4] for number in range(60)]
            return await asyncio.gather(
                *(
                    tokens.run_as(logins[name], app.create_lead, f"{number}-{name}")
                    for number, name in enumerate(names)
                )
            )

        assert len(set(asyncio.run(write()))) == 60
        assert {lead.partition("-")[2] == creator for lead, creator in office.creators().items()} == {True}

    def test_arguments_and_errors(self, office: Office) -> None:
        """They are those of the function."""
        ann = office.log_in("ann")

        def divide(one: int, by: int) -> float:
            return one / by

        assert asyncio.run(office.tokens.run_as(ann, divide, 6, by=3)) == 2
        with pytest.raises(ZeroDivisionError):
            asyncio.run(office.tokens.run_as(ann, divide, 6, by=0))


class TestTasks:
    """Functions that are given a login, such as the tasks of Celery and RQ."""

    def test_a_task_acts_as_the_user_of_its_login(self, office: Office) -> None:
        """By position or by name; its name and its result are its own."""
        ann = office.log_in("ann")

        @acts_as(lambda: office.tokens)
        def enrol(login_id: str, course: str = "Latin") -> str:
            return app.create_lead(course)

        @acts_as(office.tokens, "who")
        def leave(course: str, *, who: str) -> str:
            return app.create_lead(course)

        assert enrol.__name__ == "enrol"
        assert enrol(ann)
        assert leave("Greek", who=ann)
        assert not acts()
        assert office.creators() == {"Latin": "ann", "Greek": "ann"}

    def test_a_login_that_has_ended(self, office: Office) -> None:
        """The task fails; it does not run as somebody else."""

        @acts_as(office.tokens)
        def enrol(login_id: str) -> None:
            pytest.fail("somebody acts")

        with pytest.raises(TokenNotFoundError):
            enrol("900000000")
        with pytest.raises(TypeError):
            enrol()  # type: ignore[call-arg]

    def test_functions_that_cannot_be_tasks(self, office: Office) -> None:
        """Without the argument, or run in steps between which others run."""

        def nobodys() -> None: ...
        async def coroutine(login_id: str) -> None: ...
        def generator(login_id: str) -> Iterator[int]:
            yield 1

        for function in (nobodys, coroutine, generator):
            with pytest.raises(ConfigurationError):
                acts_as(office.tokens)(function)


def test_the_place_of_a_login_is_its_data_centre(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls of a login in Europe go to Europe, whatever the SDK was initialized with."""
    ann = office.log_in("ann")
    repository = office.store.repository
    stored = repository.get(ann)
    assert stored is not None
    repository.delete(ann)
    moved = repository.save(stored.changed(id=None, api_domain="https://www.zohoapis.eu"))
    with office.tokens.acting_as(moved.id or ""):
        environment = Initializer.get_initializer().environment
        assert environment.url == "https://www.zohoapis.eu"
        assert environment.accounts_url == "https://accounts.zoho.eu/oauth/v2/token"
    assert Initializer.get_initializer().environment.url == office.zoho.url


@pytest.mark.skipif(SDK.api < 7, reason="SDK 5 and 6 name servers that are gone")
@pytest.mark.parametrize("center", datacenters.DATA_CENTERS, ids=lambda center: center.location)
def test_the_servers_of_a_data_centre_are_the_sdks(center: datacenters.DataCenter) -> None:
    """Also where files are uploaded, which is elsewhere in Canada and Saudi Arabia."""
    name = f"{center.location.upper()}DataCenter"
    sdks = pytest.importorskip(
        f"zohocrmsdk.src.com.zoho.crm.api.dc.{center.location}_data_center", reason="the SDK lacks it"
    )
    theirs = getattr(sdks, name).PRODUCTION()
    ours = _environment(TokenRecord(api_domain=center.production), None)
    assert (ours.url, ours.file_upload_url) == (theirs.url, theirs.file_upload_url)
