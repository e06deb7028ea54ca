"""The ASGI application."""

from __future__ import annotations

import asyncio

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Message, Receive, Scope, Send

from zoho_tokenstore.emulator._options import EmulatorOptions
from zoho_tokenstore.emulator._web import accounts, consent, crm, device, others
from zoho_tokenstore.emulator._web.call import TooLargeError, limited
from zoho_tokenstore.emulator._web.control import control_routes
from zoho_tokenstore.emulator._web.dispatch import Service
from zoho_tokenstore.emulator._web.pages import HEADERS
from zoho_tokenstore.emulator._web.wire import TRANSPORT
from zoho_tokenstore.emulator._zoho import Zoho

_HEADERS = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
_CRM = "/crm/{version}"
_ANY = ["GET", "POST", "PUT", "PATCH", "DELETE"]


class EmulatorApp(Starlette):
    """The application, with its state in `zoho` and `stopping` to end all waiting."""

    def __init__(self, zoho: Zoho) -> None:
        self.zoho = zoho
        self.stopping = asyncio.Event()
        service = Service(zoho, self.stopping)
        super().__init__(
            routes=[
                *control_routes(zoho),
                *_accounts_routes(service),
                *_crm_routes(service),
                *_other_routes(service),
            ],
            exception_handlers={TooLargeError: _too_large},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's request."""
        # Only uvicorn's own `send` leads to the transport, which a fault may have to close or write to.
        scope[TRANSPORT] = getattr(getattr(send, "__self__", None), "transport", None)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *_HEADERS]}
            await send(message)

        await super().__call__(scope, limited(receive), send_with_headers)


def create_app(options: EmulatorOptions | None = None) -> EmulatorApp:
    """Return the emulator as an ASGI application for your own server.

    The faults `refuse`, `drop`, `hang`, `drip` and `endless` use the connection under uvicorn; under other
    servers they raise `ConnectionResetError`. `host` and `port` are the server's business here.

    Args:
        options: how it behaves; the defaults if not given.
    """
    return EmulatorApp(Zoho(options or EmulatorOptions()))


def _too_large(_request: Request, _error: Exception) -> Response:
    return Response(status_code=413)


def _accounts_routes(service: Service) -> list[BaseRoute]:
    at = service.endpoint
    return [
        Route("/oauth/v2/auth", at("auth", consent.ask), methods=["GET"]),
        Route("/oauth/v2/auth", at("auth", consent.decide), methods=["POST"]),
        Route("/oauth/v2/token", at(accounts.token_endpoint, accounts.token), methods=["POST"]),
        Route("/oauth/v2/token/revoke", at("revoke", accounts.revoke), methods=["POST"]),
        Route("/oauth/v2/revoke/token", at("revoke", accounts.revoke_with_client), methods=["POST"]),
        Route("/oauth/v3/device/code", at("device:code", device.ask), methods=["POST"]),
        Route("/oauth/v3/device/token", at("token:device_token", device.poll), methods=["POST"]),
        Route(device.PAGE, at("device:page", device.show), methods=["GET"]),
        Route(device.PAGE, at("device:page", device.decide), methods=["POST"]),
        Route("/oauth/serverinfo", at("serverinfo", accounts.server_info), methods=["GET"]),
        Route(
            "/.well-known/openid-configuration",
            at("serverinfo", accounts.openid_configuration),
            methods=["GET"],
        ),
    ]


def _crm_routes(service: Service) -> list[BaseRoute]:
    at = service.endpoint
    return [
        Route(f"{_CRM}/users", at("users", crm.users), methods=["GET"]),
        Route(f"{_CRM}/org", at("org", crm.org), methods=["GET"]),
        Route(f"{_CRM}/settings/modules", at("modules", crm.modules), methods=["GET"]),
        Route(f"{_CRM}/settings/fields", at("fields", crm.fields), methods=["GET"]),
        Route(f"{_CRM}/{{module}}", at("records", crm.records), methods=["GET"]),
        Route(f"{_CRM}/{{module}}", at("create", crm.create), methods=["POST"]),
        Route(f"{_CRM}/{{module}}", at("update", crm.update_many), methods=["PUT"]),
        Route(f"{_CRM}/{{module}}/{{id:int}}", at("record", crm.record), methods=["GET"]),
        Route(f"{_CRM}/{{module}}/{{id:int}}", at("update", crm.update), methods=["PUT"]),
        Route("/crm/{rest:path}", at("crm:other", crm.nothing), methods=_ANY),
    ]


def _other_routes(service: Service) -> list[BaseRoute]:
    at = service.endpoint
    return [
        Route("/books/v3/organizations", at("books:organizations", others.organizations), methods=["GET"]),
        Route("/books/{rest:path}", at("books:other", others.no_books), methods=_ANY),
        Route("/api/v1/tickets", at("desk:tickets", others.tickets), methods=["GET"]),
        Route("/api/v1/plan", at("office:plan", others.plan), methods=["GET"]),
        Route("/api/{rest:path}", at("desk:other", others.no_desk), methods=_ANY),
    ]
