"""A process that makes three keys at a place at the moment that others do; run by `processes.together`.

Arguments: the file; a number. Prints the status and the output of each `zoho-tokens keys generate`.
"""

from __future__ import annotations

import json
import sys

from typer.testing import CliRunner

from tests.support import processes
from zoho_tokenstore.cli._app import app
from zoho_tokenstore.sealing import _keyset as keyring  # noqa: F401  # now, and not after the word to begin


def main() -> None:
    processes.ready()
    made = [CliRunner().invoke(app, ["keys", "generate", "--keys", f"file:{sys.argv[1]}"]) for _ in range(3)]
    print(json.dumps([[done.exit_code, done.output] for done in made]))


if __name__ == "__main__":
    main()
