"""The core model: stable features only (a release unit)."""
