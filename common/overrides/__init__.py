"""Overrides that do not rot: in force everywhere within a second, counted, compared with the models, and reported."""
