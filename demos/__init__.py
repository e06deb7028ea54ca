"""Programs that show the package at work. `python -m demos.portal` is what `make demo` runs."""
