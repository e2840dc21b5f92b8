"""What people did with results: kept, reported, corrected for position, and turned into queries to learn from."""
