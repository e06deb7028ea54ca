"""Durations on the command line: how a time limit is written, and how old something is."""

from __future__ import annotations

from datetime import timedelta

import typer

from zoho_tokenstore._util.durations import age_of, duration_of


def parse_duration(text: str) -> timedelta:
    """Return the duration of `90`, `90s`, `1.5m`, `1h` or `30d`; a bare number counts seconds."""
    duration = duration_of(text)
    if duration is None:
        raise typer.BadParameter(f"{text} is not a duration; write 90s, 3m or 1h.")
    return duration


def parse_limit(text: str) -> timedelta:
    """Return the same, for a time limit, which is above zero."""
    limit = parse_duration(text)
    if not limit:
        raise typer.BadParameter("a time limit is above zero, as 90s, 3m or 1h.")
    return limit


def parse_age(text: str) -> timedelta:
    """Return the duration of `30d`, `12h` or `45m`. Without a unit, too much might be deleted."""
    duration = age_of(text)
    if duration is None:
        raise typer.BadParameter(f"{text} is not a duration; write 30d, 12h or 45m.")
    return duration
