"""The local Zoho: accounts server and CRM on one address, for trying and testing without an account.

Three ways to run it, with one set of options (`EmulatorOptions`):

- `zoho-tokens emulator --port 8085` on the command line;
- `with Emulator() as zoho:` in a test, on a free port of its own;
- `create_app(options)`, an ASGI application for a server of your own.

It plays the other side, and so knows nothing of the rest of the package.
"""

try:
    import starlette  # noqa: F401
    import uvicorn  # noqa: F401
except ModuleNotFoundError as missing:
    message = f'The emulator needs {missing.name}. Run: pip install "zoho-tokenstore[emulator]"'
    raise ModuleNotFoundError(message, name=missing.name) from missing

from zoho_tokenstore.emulator.faults import Fault
from zoho_tokenstore.emulator.journal import Counters, Entry
from zoho_tokenstore.emulator.model import DEFAULT_SCOPES, Client, User
from zoho_tokenstore.emulator.options import EmulatorOptions
from zoho_tokenstore.emulator.randomness import label
from zoho_tokenstore.emulator.server import Emulator
from zoho_tokenstore.emulator.web.app import create_app

__all__ = [
    "DEFAULT_SCOPES",
    "Client",
    "Counters",
    "Emulator",
    "EmulatorOptions",
    "Entry",
    "Fault",
    "User",
    "create_app",
    "label",
]
