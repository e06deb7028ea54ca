"""Storages, one module per URL scheme. `zoho_tokenstore.registry` finds them by name."""
