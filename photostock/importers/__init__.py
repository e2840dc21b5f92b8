"""Readers of the published photo collections, one file per format."""
