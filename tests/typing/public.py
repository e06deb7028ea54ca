"""What mypy makes of every public name: `make types` reads this file, nothing runs it.

`assert_type` fails if a name loses its type; an ignored error that no longer occurs is an error, so a
misspelt option stays one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Set
from datetime import timedelta
from pathlib import Path
from typing import Any, assert_type

from django.http import HttpRequest, HttpResponse
from django.views import View
from fastapi import FastAPI, Request
from flask import Flask

import zoho_tokenstore as z
from zoho_tokenstore import backend as spi
from zoho_tokenstore import backends, emulator, errors, sdk, sealing, testing
from zoho_tokenstore.audit import AuditEntry, AuditReport, AuditTrail
from zoho_tokenstore.auth import ZohoAuth
from zoho_tokenstore.backend import AuditLog, AuditRow, Backend, Leases, LeaseState, RetiredIds
from zoho_tokenstore.backends.csv import CSVBackend
from zoho_tokenstore.backends.dynamodb import DynamoDBBackend
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.backends.memory import MemoryBackend
from zoho_tokenstore.backends.redis import RedisBackend
from zoho_tokenstore.backends.secretsmanager import SecretsManagerBackend
from zoho_tokenstore.backends.sql import SQLBackend
from zoho_tokenstore.backends.sqlite import SQLiteBackend
from zoho_tokenstore.cli import main
from zoho_tokenstore.copying import CopyReport, OnConflict, Outcome, Tally, copy
from zoho_tokenstore.doctor import Finding, Report, Severity, check_names, examine
from zoho_tokenstore.events import Event, EventKind, OnEvent, on_behalf_of
from zoho_tokenstore.lifecycle import CleanUpReport, LoginFilter, RevocationReport, clean_up, revoke
from zoho_tokenstore.login import (
    BOOKS,
    CRM_FULL,
    CRM_READ,
    CRM_WRITE,
    DESK,
    FILES,
    IDENTITY,
    BrowserSession,
    BrowserSessions,
    LoggedIn,
    LoginFailedError,
    LoginFailure,
    LoginFlow,
    Started,
    acts_as,
)
from zoho_tokenstore.login import django as dj
from zoho_tokenstore.login import fastapi as for_fastapi
from zoho_tokenstore.login import flask as for_flask
from zoho_tokenstore.login import starlette as for_starlette
from zoho_tokenstore.login.django.admin import LoginAdmin
from zoho_tokenstore.login.django.apps import ZohoLoginConfig
from zoho_tokenstore.login.django.models import Login
from zoho_tokenstore.login.django.urls import app_name, urlpatterns
from zoho_tokenstore.records import (
    BOOKKEEPING,
    COLUMNS,
    LONGEST_ID,
    LOOKUPS,
    NO_DIGESTS,
    ROW_FIELDS,
    SECRET_COLUMNS,
    Found,
    RetiredId,
    Row,
    TokenRecord,
    UnreadableRow,
    record_from_row,
    row_from_record,
)
from zoho_tokenstore.registry import ENTRY_POINTS, URL_VARIABLE, open_backend, schemes
from zoho_tokenstore.sdk import crm2, office_integrator
from zoho_tokenstore.telemetry import Telemetry
from zoho_tokenstore.testing import steps
from zoho_tokenstore.testing.doubles import (
    BrowserLogin,
    FakeClock,
    FlakyBackend,
    LoggedInUser,
    RecordedEvents,
)


def opening(keys: z.Keyset, policy: z.RefreshPolicy, on_event: OnEvent, url: str) -> None:
    """Every way to open a store knows its options, and no others."""
    assert_type(z.open_store(url, keys=keys, refresh=policy, on_event=on_event), z.RepositoryStore)
    assert_type(z.open_repository(url, keys=[b"k" * 32]), z.TokenRepository)
    assert_type(z.open_tokens(url, keys="file:keys", accounts_url="https://accounts.zoho.eu"), z.Tokens)
    assert_type(z.open_async_tokens(url, keys="required", refresh=policy), z.AsyncTokens)
    assert_type(open_backend(url), Backend)
    z.open_store(url, kyes=keys)  # type: ignore[call-arg]
    z.open_repository(url, kyes=keys)  # type: ignore[call-arg]
    z.open_tokens(url, kyes=keys)  # type: ignore[call-arg]
    z.open_async_tokens(url, kyes=keys)  # type: ignore[call-arg]
    z.open_store(url, keys=17)  # type: ignore[arg-type]


def stores(keys: z.Keyset, policy: z.RefreshPolicy, repository: z.TokenRepository) -> None:
    """So does every store."""
    z.SQLiteStore(Path("tokens.db"), timeout=1.0, keys=keys, refresh=policy, spool="spool")
    z.InMemoryStore(keys=keys, refresh=None)
    z.ListStore(keys=keys, spent_codes="find")
    z.CSVStore("sdk_tokens.txt", timeout=1.0, keys=keys)
    z.SQLStore("postgresql://u@h/d", table="t", timeout=1.0, pool_size=2, keys=keys)
    z.RedisStore("redis://h/0", prefix="p", timeout=1.0, ssl_ca_certs="ca.pem", keys=keys)
    z.DynamoDBStore("t", region="eu-central-1", create=True, timeout=1.0, keys=keys)
    z.SecretsManagerStore("p", kms_key_id="k", timeout=1.0, keys=keys)
    z.RepositoryStore(repository, refresh=policy, spool=Path("spool"))
    z.SQLiteStore(kyes=keys)  # type: ignore[call-arg]
    z.InMemoryStore(kyes=keys)  # type: ignore[call-arg]
    z.ListStore(kyes=keys)  # type: ignore[call-arg]
    z.CSVStore(kyes=keys)  # type: ignore[call-arg]
    z.SQLStore("postgresql://u@h/d", kyes=keys)  # type: ignore[call-arg]
    z.RedisStore(kyes=keys)  # type: ignore[call-arg]
    z.DynamoDBStore("t", kyes=keys)  # type: ignore[call-arg]
    z.SecretsManagerStore("p", kyes=keys)  # type: ignore[call-arg]
    z.RepositoryStore(repository, kyes=keys)  # type: ignore[call-arg]
    assert_type(crm2.open_store("list://", keys=keys, refresh=None), crm2.RepositoryStore)
    assert_type(office_integrator.open_store(), office_integrator.RepositoryStore)
    z.ListStore(spent_codes="all")  # type: ignore[arg-type]
    z.RefreshPolicy(ahaed=timedelta(minutes=1))  # type: ignore[call-arg]
    z.ListStore(sessions=z.SessionPolicy(idle=timedelta(days=1), per_user=3))
    z.SessionPolicy(idel=timedelta(minutes=1))  # type: ignore[call-arg]


def lifecycles(them: z.Tokens) -> None:
    """Jobs over all logins."""
    assert_type(clean_up(them, rejected_for=timedelta(days=7)), CleanUpReport)
    assert_type(revoke(them, LoginFilter(user_name="u"), owe=True), RevocationReport)
    assert_type(them.log_out("1"), z.Revoked)
    use(z.LoginExpiredError("s", limit="idle").limit, sdk.SDKLoginExpiredError)


def audit(it: z.TokenRepository, backend: spi.SupportsAudit) -> None:
    """A store may keep a trail, and what it holds has types."""
    trail = it.audit
    assert_type(trail, AuditTrail | None)
    if trail is not None:
        assert_type(trail.entries(login="1", what=[EventKind.RENEWED], follow=True), Iterator[AuditEntry])
        assert_type(trail.verify("1:0"), AuditReport)
        assert_type(trail.prune(timedelta(days=1)), int)
    log: AuditLog = backend.audit
    assert_type(log.last(), AuditRow | None)
    with on_behalf_of("rajesh"), z.on_behalf_of("amelia"):
        z.open_store("sqlite:///t.db", audit=True)
    z.open_store("sqlite:///t.db", audit="yes")  # type: ignore[arg-type]


def store(it: z.RepositoryStore) -> None:
    """The six methods pass the SDK's own tokens, which has no types."""
    assert_type(it.find_token(None), Any)
    assert_type(it.find_token_by_id("1"), Any)
    assert_type(it.get_tokens(), list[Any])
    assert_type(it.tokens, z.Tokens)
    assert_type(it.repository, z.TokenRepository)


def storages(url: str) -> list[Backend]:
    """Every backend fits the protocol."""
    assert_type(schemes(), list[str])
    use(backends, URL_VARIABLE, ENTRY_POINTS)
    SQLBackend(url, tabel="t")  # type: ignore[call-arg]
    return [
        CSVBackend("t.txt", timeout=1.0),
        DynamoDBBackend("t", region=None),
        ListBackend(),
        MemoryBackend(),
        RedisBackend(url, prefix="p"),
        SecretsManagerBackend("p"),
        SQLBackend(url, table="t"),
        SQLiteBackend("t.db"),
    ]


def storage(backend: Backend, leases: Leases, retired: RetiredIds) -> None:
    """The protocols of a backend."""
    assert_type(backend.load("1"), Row | None)
    assert_type(next(backend.scan()), Found)
    assert_type(leases.read("name"), LeaseState)
    assert_type(next(retired.scan()), RetiredId)
    use(
        spi.SupportsCount, spi.SupportsRehearsal, spi.SupportsSample, spi.SupportsScrub, spi.SupportsWriteMany
    )
    if isinstance(backend, spi.SupportsLeases):
        assert_type(backend.leases, Leases)


def tokens(them: z.Tokens, client: z.Client) -> None:
    """What is returned by `Tokens`."""
    assert_type(them.access_token("1"), str)
    assert_type(them.get("1"), TokenRecord)
    assert_type(them.find(TokenRecord(user_name="u")), TokenRecord | None)
    assert_type(them.refresh("1"), TokenRecord)
    assert_type(them.invalidate("1"), bool)
    assert_type(them.log_in(client, z.Code("c", redirect_url="https://a.example")), TokenRecord)
    assert_type(them.log_in(client, z.RefreshToken("r")), TokenRecord)
    assert_type(them.log_in(client, z.ClientCredentials(("s",), "soid")), TokenRecord)
    assert_type(them.log_in(client, z.Device(("s",), print)), TokenRecord)
    assert_type(them.status("1"), z.Status)
    assert_type(them.check(), z.Health)
    assert_type(them.check().parts, tuple[z.HealthPart, ...])
    assert_type(them.scan(), Iterator[TokenRecord])
    assert_type(ZohoAuth(them, "1", hosts=["desk.example.com"]), ZohoAuth)


async def async_tokens(them: z.AsyncTokens) -> None:
    """What is returned by `AsyncTokens`."""
    assert_type(await them.access_token("1"), str)
    assert_type(await them.get("1"), TokenRecord)
    assert_type(await them.status("1"), z.Status)
    assert_type(await them.check(), z.Health)
    assert_type(them.scan(), AsyncIterator[TokenRecord])


def records(row: Row, bad: UnreadableRow) -> None:
    """Values, and what is said of their columns."""
    assert_type(record_from_row(row), TokenRecord)
    assert_type(row_from_record(TokenRecord(), "1"), Row)
    assert_type(bad.reason, str)
    names: tuple[str, ...] = (*COLUMNS, *BOOKKEEPING, *SECRET_COLUMNS, *LOOKUPS, *ROW_FIELDS)
    digests: Mapping[str, str] = NO_DIGESTS
    use(names, digests, LONGEST_ID)
    TokenRecord(user="u")  # type: ignore[call-arg]
    assert_type(testing.make_token(), Any)
    assert_type(testing.fields_of(None), dict[str, Any])
    report = testing.check("mine:make", abilities={testing.Ability.PERSISTENT}, only=["F1"])
    assert_type(report, testing.CheckReport)
    assert_type(report.results, tuple[testing.ClauseResult, ...])
    assert_type(testing.catalogue(testing.TokenStoreContract), list[testing.Clause])
    assert_type(report.results[0].clause.severity, testing.Severity)
    abilities: Set[testing.Ability] = testing.ORDINARY
    remote = testing.RemoteStore(["node", "driver.mjs"], Path("folder"), timeout=5.0)
    assert_type(testing.check(driver="node driver.mjs").subject, str)
    use(remote)
    use(testing.DriverError, testing.RemoteStoreError)
    use(abilities)


def steps_of_clauses() -> None:
    """What examples are made of."""
    assert_type(steps.stored(None, steps.ALICE | steps.OTHER_CLIENT), steps.Fields)
    assert_type(steps.found(None, **steps.CLIENT), steps.Fields | None)
    assert_type(steps.by_id(None, "1"), steps.Fields)
    assert_type(steps.in_order(steps.all_fields(None)), list[steps.Fields])
    assert_type(steps.attempt(lambda: steps.login("carol")), tuple[steps.Fields | None, str | None])
    steps.assert_missing(None, "1")
    use(steps.BOB, steps.FIELDS, steps.OAuthToken, steps.SDKException, steps.fields_of, steps.make_token)


def events(event: Event) -> None:
    """Events and their observers."""
    assert_type(event.kind, EventKind)
    observer: OnEvent = Telemetry()
    observer(event)


def copies(keys: z.Keyset) -> None:
    """`copy` takes two URLs."""
    report = copy("sqlite:///a.db", "sqlite:///b.db", source_keys=keys, on_conflict=OnConflict.NEWER)
    assert_type(report, CopyReport)
    assert_type(report.outcomes, dict[Outcome, Tally])
    copy("sqlite:///a.db", "sqlite:///b.db", keys=keys)  # type: ignore[call-arg]


def keys_in_use(backend: Backend, key: sealing.SealingKey) -> None:
    """Keys, and what is done with them."""
    keyset = sealing.Keyset([key])
    assert_type(sealing.reseal(backend, keyset), sealing.ResealReport)
    assert_type(sealing.count_by_key(backend, keyset), sealing.KeyUsage)
    assert_type(z.Keyset.from_file("keys"), z.Keyset)


def local_zoho() -> None:
    """The local Zoho."""
    zoho = emulator.Emulator(emulator.EmulatorOptions())
    assert_type(zoho.counters(), emulator.Counters)
    assert_type(emulator.label("a"), str)
    use(emulator.DEFAULT_SCOPES, emulator.Client, emulator.User, emulator.Fault, emulator.JournalEntry)
    use(emulator.create_app, main)


def use(*_names: object) -> None:
    """Mention names of which there is nothing to say but that they are there."""


def examining(url: str, keys: z.Keyset) -> None:
    """What is wrong with a store."""
    report = examine(url, keys=keys, timeout=timedelta(seconds=1), everything=True, online=False)
    assert_type(report, Report)
    assert_type(report.findings, tuple[Finding, ...])
    assert_type(report.findings[0].severity, Severity)
    assert_type(check_names(), tuple[str, ...])


class MyBackendContract(testing.BackendContract):
    """A contract is subclassed."""


class MyLeasesContract(testing.LeasesContract):
    """Likewise."""


class MyStoreContract(testing.TokenStoreContract):
    """Likewise."""


def texts() -> None:
    """What the contracts try."""
    use(testing.HOSTILE_TEXTS, testing.INJECTIONS, testing.LOOKALIKES, testing.clauses)


ERRORS: tuple[type[z.TokenStoreError], ...] = (
    *(z.AccountsError, z.AccountsUnavailableError, z.InvalidClientError, z.InvalidGrantError),
    *(z.BackendError, z.BackendTimeoutError, z.BackendUnavailableError, z.UnreadableRowError),
    *(z.ConfigurationError, z.ConflictError, z.RetiredIdError, z.InvalidTokenError),
    *(z.MissingDependencyError, z.RateLimitedError, z.SealingError, z.TokenNotFoundError),
    *(errors.RowChangedError, sdk.SDKTokenStoreError, sdk.SDKAccountsError, sdk.SDKBackendError),
    *(sdk.SDKAccountsUnavailableError, sdk.SDKBackendTimeoutError, sdk.SDKBackendUnavailableError),
    *(sdk.SDKConfigurationError, sdk.SDKConflictError, sdk.SDKInvalidClientError),
    *(sdk.SDKInvalidGrantError, sdk.SDKInvalidTokenError, sdk.SDKMissingDependencyError),
    *(sdk.SDKRateLimitedError, sdk.SDKRetiredIdError, sdk.SDKRowChangedError, sdk.SDKSealingError),
    *(sdk.SDKTokenNotFoundError, sdk.SDKUnreadableRowError),
)
KIND: errors.FailureKind = "rejected"


def login(tokens: z.Tokens, awaited: z.AsyncTokens, client: z.Client) -> None:
    flow = LoginFlow(tokens, client, "https://portal.example/callback", scopes=CRM_READ)
    LoginFlow(tokens, client, "https://portal.example/callback", scope=CRM_READ)  # type: ignore[call-arg]
    started = flow.start({}, next="/", user="ann", prompt=None)
    assert_type(started, Started)
    done = flow.finish({"code": "x"}, started.kept, label="Firefox")
    assert_type(done, LoggedIn)
    assert_type(done.login, z.TokenRecord)
    assert_type(flow.identify(done.session), z.TokenRecord | None)
    assert_type(flow.sessions, BrowserSessions)
    assert_type(flow.sessions_of("1"), list[BrowserSession])
    assert_type(LoginFailedError("denied").kind, LoginFailure)
    LoginFailedError("broken")  # type: ignore[arg-type]
    for scopes in (BOOKS, CRM_FULL, CRM_WRITE, DESK, FILES, IDENTITY):
        assert_type(scopes[0], str)
    with tokens.acting_as("1") as record:
        assert_type(record, z.TokenRecord)

    @acts_as(lambda: tokens)
    def task(login_id: str, times: int = 1) -> float:
        return 1.0

    assert_type(task("1", times=2), float)
    for_starlette.ZohoLogin(flow, login_path="/in", on_failure=None)
    for_fastapi.ZohoLogin(flow, home=1)  # type: ignore[arg-type]
    for_flask.ZohoLogin(flow, callbak_path="/in")  # type: ignore[call-arg]


def pages_of_flask(login: for_flask.ZohoLogin, app: Flask) -> None:
    login.init_app(app, url_prefix="/auth")

    @app.get("/courses/<int:number>")
    @login.required
    def courses(number: int) -> str:
        with login.acting() as user:
            assert_type(user, z.TokenRecord)
        return "text"

    assert_type(courses(7), str)
    assert_type(login.user(), z.TokenRecord | None)


async def pages_of_fastapi(login: for_fastapi.ZohoLogin, app: FastAPI, request: Request) -> None:
    app.include_router(login.router)
    assert_type(login.required, for_fastapi.Required)
    assert_type(await login.required(request), z.TokenRecord)
    user = await login.user(request)
    assert_type(user, z.TokenRecord | None)
    if user is not None:
        assert_type(await login.run_as(user, len, "text"), int)


@dj.zoho_login_required
def django_view(request: HttpRequest, number: int) -> HttpResponse:
    with dj.acting(request) as login:
        assert_type(login, z.TokenRecord)
    assert_type(dj.flow(), LoginFlow)
    assert_type(dj.tokens(), z.Tokens)
    assert_type(Login.objects.get().user_name, str | None)
    use(dj.close_site, dj.ZohoLoginMiddleware, LoginAdmin, ZohoLoginConfig, app_name, urlpatterns)
    return HttpResponse()


class DjangoView(dj.ZohoLoginRequiredMixin, View):
    async def get(self, request: HttpRequest) -> HttpResponse:
        assert_type(await dj.run_as(request, len, "text"), int)
        return HttpResponse()


def django_views(request: HttpRequest) -> None:
    assert_type(django_view(request, 1), HttpResponse)
    django_view(request, "1")  # type: ignore[arg-type]


async def act(tokens: z.Tokens, awaited: z.AsyncTokens) -> None:
    assert_type(await tokens.run_as("1", len, "text"), int)
    assert_type(await awaited.run_as("1", len, "text"), int)


def doubles(zoho: emulator.Emulator, user: LoggedInUser) -> None:
    clock, events, flaky = FakeClock(), RecordedEvents(), FlakyBackend()
    clock.pass_(timedelta(hours=1))
    z.open_tokens("memory://", clock=clock, on_event=events)
    z.TokenRepository(flaky)
    flaky.fail(2, z.BackendTimeoutError("slow"))
    assert_type(events.of("renewed"), list[Event])
    assert_type(BrowserLogin(zoho)("http://127.0.0.1", accepts=False), str)
    assert_type(user.id, str)
