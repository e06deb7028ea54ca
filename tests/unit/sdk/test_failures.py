"""What a store raises is an error of ours and the SDK's, and every error goes from process to process."""

from __future__ import annotations

import copy
import inspect
import pickle
import traceback
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from types import FrameType
from typing import Any

import pytest
from zohocrmsdk.src.com.zoho.crm.api.exception import SDKException

from tests.unit.renewal.support import PRODUCTION, FakeClock, Line, Zoho
from zoho_tokenstore import ListStore, RepositoryStore, TokenRepository, errors
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.errors import BackendError, TokenStoreError
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.renewal import _renewer as renewer
from zoho_tokenstore.sdk import _failures as failures
from zoho_tokenstore.sdk._twins import to_sdk_error
from zoho_tokenstore.testing import make_token
from zoho_tokenstore.testing._tokens import login


def _errors_of(module: Any) -> dict[str, type[TokenStoreError]]:
    return {
        name: kind
        for name, kind in vars(module).items()
        if inspect.isclass(kind) and issubclass(kind, TokenStoreError) and kind.__module__ == module.__name__
    }


OURS = _errors_of(errors)
TWINS = _errors_of(failures)
ALL = OURS | TWINS

DETAILS = {
    "retry_after": 9.5,
    "row_id": "17",
    "reason": "a BLOB",
    "kind": "uncertain",
    "error_code": "invalid_code",
    "limit": "idle",
}
"""A value for every keyword of every error; a new one needs a line here."""

CREDENTIALS: dict[str, Any] = {
    "client_id": "c",
    "client_secret": "s",
    "refresh_token": "r",
    "access_token": "a",
}

SENTENCE = "This is what happened. Do that."


def make(kind: type[TokenStoreError]) -> TokenStoreError:
    """Return an error with everything that its class, or the class that it is a twin of, can tell."""
    ours = next(one for one in kind.__mro__ if one in OURS.values())
    names = getattr(getattr(ours, "__init__"), "__kwdefaults__", None) or ()  # noqa: B009  # typed as unsound
    return kind(SENTENCE, **{name: DETAILS[name] for name in names})


def fail(name: str) -> None:
    """Raise an error, with a cause, in another process."""
    raise make(ALL[name]) from OSError("the driver's")


def check_same(one: Any, other: Any) -> None:
    assert type(one) is type(other)
    assert str(one) == str(other) == SENTENCE
    assert one.args == other.args == (SENTENCE,)
    notes = "__notes__"  # the pool's own
    assert {k: v for k, v in vars(one).items() if k != notes} == vars(other)


@pytest.mark.parametrize("name", ALL)
def test_every_error_can_be_pickled_and_copied(name: str) -> None:
    """Whatever a class tells, its text and its attributes, a copy tells too."""
    error = make(ALL[name])
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        check_same(pickle.loads(pickle.dumps(error, protocol)), error)
    check_same(copy.copy(error), error)
    check_same(copy.deepcopy(error), error)


def test_every_error_comes_out_of_a_process_pool() -> None:
    """A pool hands every error on as what it was; one that could not be unpickled would break the pool."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        for name in ALL:
            with pytest.raises(ALL[name]) as raised:
                pool.submit(fail, name).result(timeout=60)
            check_same(raised.value, make(ALL[name]))


@pytest.mark.parametrize("name", ALL)
def test_the_text_of_an_error_is_its_sentence(name: str) -> None:
    """Neither text shows more than the sentence: not what is chained to it, nor the id of a row."""
    error = make(ALL[name])
    error.__cause__ = ValueError("very-secret")
    assert str(error) == SENTENCE
    assert repr(error) == f"{name}({SENTENCE!r})"


@pytest.mark.parametrize("name", OURS)
def test_every_error_has_a_twin_for_the_sdk(name: str) -> None:
    """The twin is our error and the SDK's, and below the twins of what ours is below."""
    twin: Any = TWINS[f"SDK{name}"]
    assert issubclass(twin, OURS[name])
    assert issubclass(twin, SDKException)
    assert inspect.getdoc(twin) != inspect.getdoc(SDKException)
    parents = {f"SDK{one.__name__}" for one in OURS[name].__mro__ if one in OURS.values()}
    assert parents == {one.__name__ for one in twin.__mro__ if one in TWINS.values()}


@pytest.mark.parametrize("name", OURS)
def test_an_error_becomes_its_own_twin(name: str) -> None:
    """The sentence, the attributes and the notes stay; the SDK's fields say where it comes from."""
    error = make(OURS[name])
    error.add_note("while it was saved")
    told = to_sdk_error(error, failures.TWINS)
    assert type(told) is TWINS[f"SDK{name}"]
    assert str(told) == vars(told)["error_message"] == SENTENCE
    assert vars(told)["code"] == code_of(name)
    assert vars(error).items() <= vars(told).items()
    assert to_sdk_error(told, failures.TWINS) is told


def code_of(name: str) -> str:
    """Return the `code` that the SDK's exception has for an error of ours."""
    is_refused = name in ("InvalidGrantError", "InvalidClientError")
    return "INVALID TOKEN ERROR" if is_refused else "TOKEN_STORE"


@pytest.mark.parametrize("name", OURS)
def test_a_twin_has_a_code_of_the_sdks(name: str) -> None:
    """What Zoho refuses has the SDK's own code for that, all else is `TOKEN_STORE`; it is never `None`."""
    assert vars(to_sdk_error(OURS[name](SENTENCE), failures.TWINS))["code"] == code_of(name)


def test_an_error_of_a_strangers_backend_becomes_the_nearest_twin() -> None:
    """A subclass that only somebody else knows is told as what we know of it."""

    class DiskFullError(errors.BackendUnavailableError):
        """Somebody else's."""

    told = to_sdk_error(DiskFullError("The disk is full."), failures.TWINS)
    assert type(told) is failures.SDKBackendUnavailableError
    assert isinstance(told, ConnectionError)
    assert str(told) == "The disk is full."


CALLS: dict[str, tuple[str, Callable[[Any, Any], object]]] = {
    "find_token": ("find", lambda store, token: store.find_token(make_token(user_name="alice"))),
    "save_token": ("write", lambda store, token: store.save_token(token)),
    "delete_token": ("remove", lambda store, token: store.delete_token("1")),
    "get_tokens": ("scan", lambda store, token: store.get_tokens()),
    "delete_tokens": ("clear", lambda store, token: store.delete_tokens()),
    "find_token_by_id": ("load", lambda store, token: store.find_token_by_id("1")),
}


class _Broken(ListBackend):
    """A list of which one method fails, as a driver would make it fail."""

    def __init__(self, method: str, error: TokenStoreError) -> None:
        super().__init__()
        self._failing = method, error

    def __getattribute__(self, name: str) -> Any:
        method, error = super().__getattribute__("__dict__").get("_failing", ("", None))
        if name != method:
            return super().__getattribute__(name)

        def fail(*_args: object, **_options: object) -> None:
            raise error from OSError("the driver's")

        return fail


@pytest.mark.parametrize("refreshes", [True, False], ids=["refreshing", "plain"])
@pytest.mark.parametrize("name", CALLS)
def test_what_the_six_methods_raise_is_both(name: str, refreshes: bool) -> None:
    """`except SDKException` and `except BackendError` both catch it; its cause is the driver's error."""
    method, call = CALLS[name]
    error = errors.BackendTimeoutError("The storage was busy.")
    options: dict[str, Any] = {} if refreshes else {"refresh": None}
    store = RepositoryStore(TokenRepository(_Broken(method, error)), **options)
    token = make_token(**login("alice"))
    with pytest.raises(SDKException) as sdks:
        call(store, token)
    with pytest.raises(BackendError) as ours:
        call(store, token)
    for caught in (sdks.value, ours.value):
        assert type(caught) is failures.SDKBackendTimeoutError
        assert isinstance(caught, TimeoutError)
        assert str(caught) == "The storage was busy."
        assert isinstance(caught.__cause__, OSError)
        assert "in fail" in "".join(_traceback(caught))  # it still shows where it happened


def _traceback(error: BaseException) -> list[str]:
    import traceback

    return traceback.format_tb(error.__traceback__)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: s.find_token("x"), "OAuthToken objects of the installed zohocrmsdk, not str"),
        (lambda s: s.save_token("x"), "OAuthToken objects of the installed zohocrmsdk, not str"),
        (lambda s: s.save_token(None), "OAuthToken objects of the installed zohocrmsdk, not NoneType"),
        (lambda s: s.save_token(make_token()), "no access, refresh or grant token"),
        (lambda s: s.find_token_by_id(None), "find_token_by_id needs the id of a token, .*; None was passed"),
        (lambda s: s.delete_token(None), "delete_token needs the id of a token, .*; None was passed"),
        (lambda s: s.delete_token(17), "delete_token needs .* of type int was passed"),
        (lambda s: s.find_token_by_id("\ud800"), "lone surrogate"),
    ],
)
def test_what_cannot_be_asked_is_both(call: Callable[[Any], object], message: str) -> None:
    """A wrong argument is an `InvalidTokenError` and an `SDKException`, and names the method or the kind."""
    with ListStore() as store, pytest.raises(SDKException, match=message) as caught:
        call(store)
    assert type(caught.value) is failures.SDKInvalidTokenError


@pytest.mark.parametrize("take", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_store_cannot_be_pickled(take: Callable[[Any], object]) -> None:
    """A store and its repository have connections and locks: a sentence says to open them in each process."""
    with (
        ListStore() as store,
        pytest.raises(errors.ConfigurationError, match=r"ListStore objects .* in each process"),
    ):
        take(store)
    with pytest.raises(errors.ConfigurationError, match=r"TokenRepository objects .* in each process"):
        take(store.repository)


def test_no_frame_of_a_failed_renewal_holds_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Error collectors send local variables along: those of our frames hold no token that was opened."""
    zoho = Zoho(FakeClock())
    zoho.refusals = ["invalid_code"]
    monkeypatch.setattr(renewer, "Transport", lambda *_, **__: Line(zoho=zoho))
    tokens = TokenRepository(ListBackend())
    held = tokens.save(
        TokenRecord(user_name="patricia", expires_at_ms=1, api_domain=PRODUCTION, **CREDENTIALS)
    )
    store = RepositoryStore(tokens)
    with pytest.raises(errors.InvalidGrantError) as caught:
        store.find_token_by_id(held.id or "")
    frames = _frames_of(caught.value)
    assert len(frames) > 6
    here = "test_no_frame_of_a_failed_renewal_holds_the_token"
    secrets = {"a", "s", "r"}
    assert {
        frame.f_code.co_qualname
        for frame in frames
        for value in frame.f_locals.values()
        if value == held or (isinstance(value, str) and value in secrets)
    } == {here}


def _frames_of(error: BaseException | None) -> list[FrameType]:
    """Return the frames through which an error and its causes came."""
    frames: list[FrameType] = []
    while error is not None:
        frames += [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
        error = error.__cause__ or error.__context__
    return frames
