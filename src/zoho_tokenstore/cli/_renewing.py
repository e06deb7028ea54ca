"""`zoho-tokens access-token`, `refresh` and `invalidate`."""

from __future__ import annotations

from zoho_tokenstore.cli._shared import AccountsURL, EachID, KeysPlace, OneID, StoreURL, say, told
from zoho_tokenstore.cli._texts import shown_id


def access_token(
    token_id: OneID, store: StoreURL = None, keys: KeysPlace = None, accounts_url: AccountsURL = None
) -> None:
    """Print an access token of a login. It is renewed if needed, and a secret: for another program."""
    with told():
        from zoho_tokenstore.cli._opening import check_saved, opened

        with opened(store, keys, accounts_url) as found:
            record = check_saved(found.tokens, found.tokens.get(token_id))
        say(record.access_token or "")


def refresh(
    token_ids: EachID, store: StoreURL = None, keys: KeysPlace = None, accounts_url: AccountsURL = None
) -> None:
    """Renew logins now, even if Zoho refused it before. Exits with 3 if Zoho refuses one."""
    with told():
        from zoho_tokenstore._util.clock import now_ms
        from zoho_tokenstore.cli._each import each
        from zoho_tokenstore.cli._opening import check_saved, opened
        from zoho_tokenstore.cli._times import in_words

        with opened(store, keys, accounts_url) as found:

            def renew(token_id: str) -> None:
                record = check_saved(found.tokens, found.tokens.refresh(token_id))
                say(f"{shown_id(token_id)}: renewed, expires {in_words(record.expires_at_ms, now_ms())}")

            each(token_ids, renew)


def invalidate(token_ids: EachID, store: StoreURL = None, keys: KeysPlace = None) -> None:
    """Have logins renewed at their next use. For access tokens that Zoho refuses though they look good."""
    with told():
        from zoho_tokenstore.cli._each import each
        from zoho_tokenstore.cli._opening import opened

        with opened(store, keys) as found:

            def invalidate_one(token_id: str) -> None:
                was_there = found.tokens.invalidate(token_id)
                done = "the next look-up renews it" if was_there else "it has no access token"
                say(f"{shown_id(token_id)}: {done}")

            each(token_ids, invalidate_one)
