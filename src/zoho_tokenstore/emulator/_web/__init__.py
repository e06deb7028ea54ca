"""Zoho's HTTP endpoints, and the emulator's own."""
