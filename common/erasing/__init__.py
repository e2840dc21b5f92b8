"""Forgetting a person everywhere, with a certificate that proves it."""
