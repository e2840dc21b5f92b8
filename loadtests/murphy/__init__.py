"""Every fault on the menu, one after the other, under load: what the callers saw, and which promises broke."""
