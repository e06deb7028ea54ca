"""What the stores cost, measured: `python -m benchmarks`. CONTRIBUTING.md and README.md here tell how."""
