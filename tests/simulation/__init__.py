"""The protocol of renewals, simulated: real code, a clock of its own, and everything lost that can be lost.

`python -m tests.simulation` runs many schedules, and a fleet for a day; `--seed N` repeats and tells one.
"""
