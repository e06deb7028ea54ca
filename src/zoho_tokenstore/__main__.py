"""`python -m zoho_tokenstore` is `zoho-tokens`."""

from __future__ import annotations

from zoho_tokenstore.cli import main

if __name__ == "__main__":
    main()
