"""Photographs that people send: read with care, kept in files, served in a few widths."""
