"""What the stores cost, measured: `python -m benchmarks`. docs/reference/performance.md tells how."""
