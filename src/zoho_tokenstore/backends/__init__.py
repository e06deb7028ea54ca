"""Storages, a module for each URL scheme. `zoho_tokenstore.registry` finds them by name."""
