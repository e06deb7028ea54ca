"""Secrets of AWS Secrets Manager as rows: compare-and-set, names, and what finds a row."""
