"""Photo search: case study 2."""
