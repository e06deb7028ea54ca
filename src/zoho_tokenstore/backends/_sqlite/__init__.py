"""What the two SQLite backends share: files, connections, schema and statements."""
