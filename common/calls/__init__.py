"""Calling a service that may fail."""
