"""Encoder and vector index (a release unit)."""
