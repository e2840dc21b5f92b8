"""The cross-encoder that puts the best photos first (a release unit)."""
