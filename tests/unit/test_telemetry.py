"""Events as OpenTelemetry's metrics and spans, read back with its own SDK."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.docs.pages import DOCS
from zoho_tokenstore import ConfigurationError, Event, EventKind
from zoho_tokenstore.telemetry import Telemetry


class Collected:
    """What a `Telemetry` has told."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self._spans = InMemorySpanExporter()
        self.meters = MeterProvider([self._reader])
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self.events: list[Event] = []
        self.telemetry = Telemetry(
            self.events.append, meter_provider=self.meters, tracer_provider=self.tracers
        )

    def metrics(self) -> dict[str, list[tuple[dict[str, Any], Any]]]:
        """Return the points of each metric: attributes, and a counter's value or a histogram's sum."""
        data = self._reader.get_metrics_data()
        assert data is not None
        return {
            metric.name: [
                (dict(point.attributes or {}), getattr(point, "value", None) or getattr(point, "sum", None))
                for point in metric.data.data_points
            ]
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def spans(self) -> list[Any]:
        return list(self._spans.get_finished_spans())


@pytest.fixture
def collected() -> Iterator[Collected]:
    told = Collected()
    yield told
    told.meters.shutdown()
    told.tracers.shutdown()


async def _observe(event: Event) -> None:
    """Nobody would await it."""


@pytest.mark.parametrize("also", [_observe, "print"])
def test_what_takes_no_events_is_refused(also: Any) -> None:
    """As it is as a store's `on_event`."""
    with pytest.raises(ConfigurationError, match="also must be a function that takes an Event"):
        Telemetry(also)


def event(kind: EventKind, **fields: Any) -> Event:
    return Event(kind=kind, location="memory://", at_ms=1, token_id="1", user_name="ann", **fields)


def test_a_renewal_is_counted_timed_and_traced(collected: Collected) -> None:
    """Its duration is that of the histogram and of the span."""
    collected.telemetry(event(EventKind.RENEWED, seconds=0.25, waiters=3))
    assert collected.metrics() == {
        "zoho_tokenstore.renewals": [({"outcome": "success"}, 1)],
        "zoho_tokenstore.renewal.duration": [({}, 0.25)],
        "zoho_tokenstore.renewal.waiters": [({}, 3)],
    }
    (span,) = collected.spans()
    assert span.name == "zoho_tokenstore.renewal"
    assert span.end_time - span.start_time == 250_000_000
    assert dict(span.attributes) == {"zoho_tokenstore.waiters": 3}


@pytest.mark.parametrize(
    ("kind", "reason", "outcome"),
    [
        (EventKind.RENEWAL_FAILED, "transient", "failure"),
        (EventKind.LOGIN_NEEDED, "rejected", "login_needed"),
        (EventKind.THROTTLED, "throttled", "throttled"),
    ],
)
def test_a_failed_renewal_says_how(collected: Collected, kind: EventKind, reason: str, outcome: str) -> None:
    """By its outcome, and by the kind of failure."""
    collected.telemetry(event(kind, reason=reason))
    counted = [({"outcome": outcome, "error.type": reason}, 1)]
    assert collected.metrics() == {"zoho_tokenstore.renewals": counted}
    assert collected.spans() == []


def test_every_other_event_is_counted_by_its_kind(collected: Collected) -> None:
    """None is left out, none is counted twice, and nothing tells whose it was."""
    kinds = set(EventKind)
    for kind in EventKind:
        collected.telemetry(event(kind, count=2))
    metrics = collected.metrics()
    counted = {attributes["kind"]: value for attributes, value in metrics["zoho_tokenstore.events"]}
    outcomes = {"renewed", "renewal_failed", "login_needed", "throttled"}
    assert counted == {kind.value: 2 for kind in kinds if kind.value not in outcomes}
    assert len(metrics["zoho_tokenstore.renewals"]) == len(outcomes)
    assert "ann" not in repr(metrics)
    assert [one.kind for one in collected.events] == list(EventKind)


def test_the_page_lists_every_name(collected: Collected) -> None:
    """The metrics reference has the names, and no other ones."""
    collected.telemetry(event(EventKind.RENEWED, seconds=1.0, waiters=1))
    collected.telemetry(event(EventKind.CREATED))
    page = (DOCS / "reference" / "metrics.md").read_text()
    assert all(f"`{name}`" in page for name in collected.metrics())
