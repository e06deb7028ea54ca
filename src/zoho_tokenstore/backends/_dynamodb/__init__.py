"""The DynamoDB table: its keys and items, the seven calls of a backend on it, and its leases."""
