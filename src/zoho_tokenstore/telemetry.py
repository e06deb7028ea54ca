"""Metrics and spans with OpenTelemetry's API: `on_event=Telemetry()`.

The names are listed in docs/reference/metrics.md. Nothing that names a user, a client or a token is an
attribute: metrics would keep one series for each.
"""

from __future__ import annotations

import time
from typing import Final

from zoho_tokenstore._util.packages import needed_by
from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.events import OBSERVER, Event, EventKind, OnEvent, is_observer

with needed_by("Telemetry", "OpenTelemetry's API", "telemetry"):
    from opentelemetry import metrics, trace

__all__ = ["Telemetry"]

_SCOPE: Final = "zoho_tokenstore"

_OUTCOMES: Final = {
    EventKind.RENEWED: "success",
    EventKind.RENEWAL_FAILED: "failure",
    EventKind.LOGIN_NEEDED: "login_needed",
    EventKind.THROTTLED: "throttled",
}


class Telemetry:
    """Turns events into metrics and spans; it may be shared by stores.

    Arguments:
        also: called with every event as well, as `on_event` would.
        meter_provider: where the metrics go; the global one by default.
        tracer_provider: where the spans go; the global one by default.

    Raises:
        ConfigurationError: `also` cannot be called with an event.
    """

    def __init__(
        self,
        also: OnEvent | None = None,
        *,
        meter_provider: metrics.MeterProvider | None = None,
        tracer_provider: trace.TracerProvider | None = None,
    ) -> None:
        if not is_observer(also):
            raise ConfigurationError(f"Telemetry: also must be {OBSERVER}.")
        meter = metrics.get_meter(_SCOPE, meter_provider=meter_provider)
        self._tracer = trace.get_tracer(_SCOPE, tracer_provider=tracer_provider)
        self._also = also
        self._renewals = meter.create_counter(
            "zoho_tokenstore.renewals", unit="{renewal}", description="Renewals, by their outcome."
        )
        self._duration = meter.create_histogram(
            "zoho_tokenstore.renewal.duration", unit="s", description="How long successful renewals took."
        )
        self._waiters = meter.create_histogram(
            "zoho_tokenstore.renewal.waiters",
            unit="{caller}",
            description="How many callers in a process a renewal served.",
        )
        self._events = meter.create_counter(
            "zoho_tokenstore.events", unit="{event}", description="All other events, by kind."
        )

    def __call__(self, event: Event) -> None:
        """Take an event."""
        outcome = _OUTCOMES.get(event.kind)
        if outcome is not None:
            self._renewed(event, outcome)
        else:
            self._events.add(event.count, {"kind": event.kind.value})
        if self._also is not None:
            self._also(event)

    def _renewed(self, event: Event, outcome: str) -> None:
        attributes = {"outcome": outcome}
        if outcome != "success" and event.reason is not None:
            attributes["error.type"] = event.reason
        self._renewals.add(1, attributes)
        if event.seconds is None:
            return
        self._duration.record(event.seconds)
        self._waiters.record(event.waiters or 0)
        ended = time.time_ns()
        span = self._tracer.start_span(
            "zoho_tokenstore.renewal",
            kind=trace.SpanKind.CLIENT,
            start_time=ended - int(event.seconds * 1e9),
            attributes={"zoho_tokenstore.waiters": event.waiters or 0},
        )
        span.end(ended)
