"""Answering though a tier fails."""
