"""One set of options, three ways to run."""

from __future__ import annotations

import inspect
import random
import socket
from dataclasses import fields
from datetime import timedelta
from typing import get_type_hints

import pytest

from zoho_tokenstore.cli._durations import parse_age, parse_duration
from zoho_tokenstore.cli._emulator import emulator, parse_limit, parse_offset
from zoho_tokenstore.emulator import Emulator, EmulatorOptions, create_app
from zoho_tokenstore.emulator._options import EmulatorOverrides


def test_command_has_every_option_and_no_other() -> None:
    """The command's parameters are the fields of EmulatorOptions, in their order."""
    assert tuple(inspect.signature(emulator).parameters) == tuple(
        option.name for option in fields(EmulatorOptions)
    )


def test_context_manager_has_every_option_and_no_other() -> None:
    """The keyword arguments of Emulator have the names and types of the fields."""
    assert get_type_hints(EmulatorOverrides) == get_type_hints(EmulatorOptions)


def test_app_takes_the_same_options() -> None:
    """create_app takes EmulatorOptions."""
    options = EmulatorOptions(journal_size=7)
    assert create_app(options).zoho.options is options
    assert create_app().zoho.options == EmulatorOptions()


def test_overrides_go_on_top_of_options() -> None:
    """Emulator(options, name=value) changes that one."""
    zoho = Emulator(EmulatorOptions(location="eu", journal_size=5), journal_size=6)
    assert (zoho.options.location, zoho.options.journal_size) == ("eu", 6)


@pytest.mark.parametrize(
    "wrong",
    [
        {"refresh_limit": 0},
        {"code_limit": -1},
        {"access_token_lifetime": timedelta(0)},
        {"port": 70000},
        {"public_url": "ftp://x"},
        {"control": "friends"},
        {"clock_offset": timedelta(days=20_000)},
        {"device_interval": timedelta(0)},
        {"device_unit": "m"},
        {"scope_format": "tabs"},
        {"users": ()},
        {"auto_consent": "nobody@a.example"},
        {"journal_size": 0},
    ],
)
def test_senseless_options_are_refused(wrong: dict[str, object]) -> None:
    """A ValueError names the option."""
    with pytest.raises(ValueError, match=next(iter(wrong)).partition("_")[0]):
        EmulatorOptions(**wrong)  # type: ignore[arg-type]


def test_seed_makes_runs_alike() -> None:
    """The same seed, the same client and codes; without one, never."""
    state = random.getstate()
    one, two, other = Emulator(seed=1), Emulator(seed=1), Emulator()
    assert one.default_client == two.default_client
    assert one.mint_code() == two.mint_code()
    assert other.default_client != one.default_client
    assert random.getstate() == state


def test_secrets_are_not_in_the_options_text() -> None:
    """A client secret is not shown by repr."""
    assert "hush" not in repr(EmulatorOptions(client_secret="hush"))


def test_client_can_be_given() -> None:
    """A portal that is already configured keeps its client."""
    zoho = Emulator(client_id="id", client_secret="s", redirect_uris=("https://a.example/cb",))
    assert zoho.default_client.client_id == "id"
    assert zoho.default_client.redirect_uris == ("https://a.example/cb",)


def test_taken_port_is_an_error_at_once() -> None:
    """start raises OSError in the caller's thread."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        Emulator(port=taken.getsockname()[1]).start()


def test_emulator_runs_once() -> None:
    """Starting twice is a mistake that is told; stopping twice is none."""
    with Emulator() as zoho, pytest.raises(RuntimeError, match="is running"):
        zoho.start()
    zoho.stop()
    with pytest.raises(RuntimeError, match="another one"):
        zoho.start()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("1.5m", 90), ("2h", 7200), ("0.5", 0.5), ("30d", 2_592_000)],
)
def test_durations_on_the_command_line(text: str, seconds: float) -> None:
    """Seconds, minutes, hours, days or weeks."""
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "x", "-1", "1y", "1e3", "999999999w"])
def test_wrong_durations_are_refused(text: str) -> None:
    """The message says how to write it."""
    with pytest.raises(Exception, match="write 90s, 3m or 1h"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["30", "", "x", "-1d", "1.5"])
def test_an_age_needs_its_unit(text: str) -> None:
    """What deletes by age takes no bare number for seconds."""
    with pytest.raises(Exception, match="write 30d, 12h or 45m"):
        parse_age(text)


@pytest.mark.parametrize(("text", "seconds"), [("10m", 600), ("-10m", -600), ("-1.5", -1.5), ("0", 0)])
def test_offsets_on_the_command_line(text: str, seconds: float) -> None:
    """A duration, or a negative one."""
    assert parse_offset(text) == timedelta(seconds=seconds)


def test_limits_on_the_command_line() -> None:
    """A number from 1, or off."""
    assert (parse_limit("10"), parse_limit("off")) == (10, 0)
    for wrong in ("0", "-1", "none", "1.5"):
        with pytest.raises(Exception, match="is not a limit"):
            parse_limit(wrong)
