"""The emulator's own endpoints, for other processes: counters, faults, codes, clock."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from zoho_tokenstore.emulator._model import User
from zoho_tokenstore.emulator._zoho import Zoho

PREFIX = "/_emulator"

Args = dict[str, object]
Command = Callable[[Zoho, Args], Mapping[str, object]]


class BadRequestError(Exception):
    """A control request that cannot be carried out; the text says why."""


def control_routes(zoho: Zoho) -> list[BaseRoute]:
    """Return the routes under `/_emulator`."""
    return [
        Route(f"{PREFIX}{path}", _endpoint(zoho, command), methods=[method])
        for method, path, command in _COMMANDS
    ]


def _endpoint(zoho: Zoho, command: Command) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            if not _may(zoho, request):
                return JSONResponse({"error": "Control is not open to this client."}, 403)
            args = await _read_args(request)
            with zoho.lock:
                return JSONResponse(command(zoho, args))
        except (BadRequestError, LookupError, ValueError, TypeError) as error:
            return JSONResponse({"error": str(error)}, 400)

    return answer


def _may(zoho: Zoho, request: Request) -> bool:
    """Return whether the client may control: by its address, and by the name it used for the host.

    A web page can make a browser on this machine call us under a name of the page's choice
    (DNS rebinding), so a loopback address alone proves nothing.
    """
    if zoho.options.control != "loopback":
        return zoho.options.control == "anyone"
    if request.client is None or not _is_loopback(request.client.host):
        return False
    name = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    public = urlsplit(zoho.options.public_url or "").hostname
    return name == "localhost" or _is_loopback(name) or (public is not None and name == public)


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


async def _read_args(request: Request) -> Args:
    if request.method == "GET":
        return dict(request.query_params)
    # A form on any web page can send other types; for this one, a browser asks first.
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise BadRequestError("Send the arguments as application/json.")
    body = await request.body()
    args = json.loads(body) if body else {}
    if not isinstance(args, dict):
        raise BadRequestError("Send the arguments as a JSON object.")
    return args


def _overview(zoho: Zoho, _args: Args) -> Mapping[str, object]:
    return {
        "now": zoho.clock.now(),
        "clients": list(zoho.directory.clients),
        "users": [_user(user) for user in zoho.directory.users.values()],
        "faults": zoho.faults.describe(),
    }


def _counters(zoho: Zoho, _args: Args) -> Mapping[str, object]:
    return asdict(zoho.counters())


def _journal(zoho: Zoho, args: Args) -> Mapping[str, object]:
    endpoint = None if "endpoint" not in args else _text(args, "endpoint")
    entries = zoho.journal.entries(endpoint, int(str(args.get("after", 0))))
    return {"entries": [asdict(entry) for entry in entries]}


def _add_client(zoho: Zoho, args: Args) -> Mapping[str, object]:
    client = zoho.directory.add_client(
        _optional(args, "client_id"), _optional(args, "client_secret"), _texts(args, "redirect_uris") or ()
    )
    return {
        "client_id": client.client_id,
        "client_secret": client.client_secret,
        "redirect_uris": list(client.redirect_uris),
    }


def _add_user(zoho: Zoho, args: Args) -> Mapping[str, object]:
    optional = ("full_name", "organization", "zgid")
    given = {name: _text(args, name) for name in optional if args.get(name) is not None}
    return _user(zoho.directory.add_user(_text(args, "email"), **given))


def _mint_code(zoho: Zoho, args: Args) -> Mapping[str, object]:
    access_type = _optional(args, "access_type") or "offline"
    code = zoho.mint_code(_client(zoho, args), _text(args, "user"), _texts(args, "scopes"), access_type)
    return {"code": code}


def _mint_refresh_token(zoho: Zoho, args: Args) -> Mapping[str, object]:
    grant = zoho.grant(_client(zoho, args), _text(args, "user"), _texts(args, "scopes"))
    token = zoho.ledger.issue_refresh_token(grant)
    return {"refresh_token": token.text, "label": token.label}


def _decide_device(zoho: Zoho, args: Args) -> Mapping[str, object]:
    device, decision = zoho.devices.waiting(_text(args, "user_code")), _text(args, "decision")
    if decision not in ("approve", "deny"):
        raise BadRequestError("decision must be approve or deny.")
    if decision == "deny":
        device.denied = True
    elif args.get("location") is not None:
        device.location = _text(args, "location")
    else:
        device.user = zoho.directory.user(_text(args, "user"))
    return {"decision": decision}


def _is_live(zoho: Zoho, args: Args) -> Mapping[str, object]:
    return {"live": zoho.ledger.is_live(_text(args, "token"))}


def _set_fault(zoho: Zoho, args: Args) -> Mapping[str, object]:
    endpoint, kind, times = _text(args, "endpoint"), _text(args, "kind"), args.get("times")
    if times is not None and not isinstance(times, int):
        raise BadRequestError("times must be a whole number or null.")
    rest = {name: value for name, value in args.items() if name not in ("endpoint", "kind", "times")}
    zoho.faults.add(endpoint, kind, times, rest)
    return _faults(zoho, args)


def _clear_faults(zoho: Zoho, args: Args) -> Mapping[str, object]:
    zoho.faults.clear(_optional(args, "endpoint"))
    return _faults(zoho, args)


def _faults(zoho: Zoho, _args: Args) -> Mapping[str, object]:
    return {"faults": zoho.faults.describe()}


def _expire(zoho: Zoho, args: Args) -> Mapping[str, object]:
    email = _optional(args, "user")
    user = None if email is None else zoho.directory.user(email)
    return {"expired": zoho.ledger.expire_access_tokens(user)}


def _move_clock(zoho: Zoho, args: Args) -> Mapping[str, object]:
    seconds = args.get("advance")
    if not isinstance(seconds, int | float):
        raise BadRequestError("advance must be a number of seconds.")
    zoho.clock.advance(seconds)
    return {"now": zoho.clock.now()}


def _reset(zoho: Zoho, _args: Args) -> Mapping[str, object]:
    zoho.reset()
    return {"now": zoho.clock.now()}


def _user(user: User) -> dict[str, object]:
    return {
        "email": user.email,
        "full_name": user.full_name,
        "id": user.id,
        "zgid": user.zgid,
        "organization": user.organization.name,
        "user_name": user.user_name,
    }


def _client(zoho: Zoho, args: Args) -> str:
    return _optional(args, "client_id") or zoho.directory.default_client.client_id


def _text(args: Args, name: str) -> str:
    value = args.get(name)
    if not isinstance(value, str) or not value:
        raise BadRequestError(f"{name} is needed, as text.")
    return value


def _optional(args: Args, name: str) -> str | None:
    return None if args.get(name) is None else _text(args, name)


def _texts(args: Args, name: str) -> list[str] | None:
    value = args.get(name)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise BadRequestError(f"{name} must be a list of texts.")
    return value


_COMMANDS: tuple[tuple[str, str, Command], ...] = (
    ("GET", "/", _overview),
    ("GET", "/counters", _counters),
    ("GET", "/journal", _journal),
    ("GET", "/faults", _faults),
    ("POST", "/faults", _set_fault),
    ("DELETE", "/faults", _clear_faults),
    ("POST", "/clients", _add_client),
    ("POST", "/users", _add_user),
    ("POST", "/codes", _mint_code),
    ("POST", "/refresh-tokens", _mint_refresh_token),
    ("POST", "/devices", _decide_device),
    ("POST", "/live", _is_live),
    ("POST", "/expire", _expire),
    ("POST", "/clock", _move_clock),
    ("POST", "/reset", _reset),
)
