"""Zoho's SDKs of other languages, for real, beside this project: one file, one table, turn by turn."""
