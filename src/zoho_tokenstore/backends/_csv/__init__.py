"""The parts of the CSV backend: the form of its file, the file itself, its locks and its leases."""
