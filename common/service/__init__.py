"""Being called."""
