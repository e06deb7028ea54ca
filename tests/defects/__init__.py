"""What went wrong in the published stores, and must not in ours: docs/reference/published-defects.md."""
