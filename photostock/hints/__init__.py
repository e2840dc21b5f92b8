"""Hints change what is searched for: a knowledge base that people edit, and spelling by the catalogue's own words."""

from photostock.hints.rules import Hint, Hints
from photostock.hints.store import HintStore

__all__ = ["Hint", "HintStore", "Hints"]
