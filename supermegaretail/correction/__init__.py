"""The correction model: what the extended features add to the core (a release unit)."""
