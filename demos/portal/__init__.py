"""A portal of Zylker Academy, from the first login to a revocation, against the local Zoho."""
