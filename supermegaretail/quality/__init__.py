"""Data quality: what is wrong with a table of sales, in plain sentences, and whether a model may learn from it."""
