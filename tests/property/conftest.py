from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# Durations vary with the load of the machine; what takes too long is ended by pytest-timeout.
settings.register_profile(
    "short",
    max_examples=60,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("quick", parent=settings.get_profile("short"), max_examples=10)
settings.register_profile(
    "thorough", parent=settings.get_profile("short"), max_examples=5000, stateful_step_count=100
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "short"))
