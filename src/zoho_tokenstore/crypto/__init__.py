"""Secrets sealed at rest: the keys, where they come from, and what is done with them.

docs/explanation/sealing.md has the promise, the threat model and the construction.
"""
