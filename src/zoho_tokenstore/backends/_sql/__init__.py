"""What the SQL backend is made of: addresses, dialects, connections, schema, statements and leases."""
