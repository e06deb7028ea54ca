"""What the tests of this folder share."""

from __future__ import annotations

from zoho_tokenstore import Client, RefreshToken, TokenRecord
from zoho_tokenstore.emulator import Emulator
from zoho_tokenstore.tokens import Tokens


def login(tokens: Tokens, zoho: Emulator, client: Client) -> TokenRecord:
    """Log patricia in."""
    return tokens.log_in(client, RefreshToken(zoho.mint_refresh_token()), user_name="patricia")


def let_expire(tokens: Tokens, zoho: Emulator, record: TokenRecord) -> TokenRecord:
    """Let the hour of an access token be over, here and for Zoho; return the login as it stands then."""
    zoho.expire_access_tokens()
    repository = tokens._renewer.repository
    current = repository.get(record.id or "")
    assert current is not None
    return repository.save(current.changed(expires_at_ms=1))
