"""The lightweight filter: licence, safety, erasure, orientation, colour (a release unit)."""
