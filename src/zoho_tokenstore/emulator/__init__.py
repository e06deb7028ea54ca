"""The local Zoho: accounts server and CRM on one address, for trying and testing without an account.

Three ways to run it, with one set of options (`EmulatorOptions`):

- `zoho-tokens emulator --port 8085` on the command line;
- `with Emulator() as zoho:` in a test, on its own free port;
- `create_app(options)`, an ASGI application for your own server.

It plays the other side, so it knows nothing of the rest of the package.
"""

try:
    import starlette  # noqa: F401
    import uvicorn  # noqa: F401
except ModuleNotFoundError as missing:
    message = f'The emulator needs {missing.name}. Run: pip install "zoho-tokenstore[emulator]"'
    raise ModuleNotFoundError(message, name=missing.name) from missing

from zoho_tokenstore.emulator._faults import Fault
from zoho_tokenstore.emulator._journal import Counters, JournalEntry
from zoho_tokenstore.emulator._model import DEFAULT_SCOPES, Client, User
from zoho_tokenstore.emulator._options import EmulatorOptions
from zoho_tokenstore.emulator._randomness import label
from zoho_tokenstore.emulator._server import Emulator
from zoho_tokenstore.emulator._web.app import create_app

__all__ = [
    "DEFAULT_SCOPES",
    "Client",
    "Counters",
    "Emulator",
    "EmulatorOptions",
    "Fault",
    "JournalEntry",
    "User",
    "create_app",
    "label",
]
