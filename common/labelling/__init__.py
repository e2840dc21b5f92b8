"""Labelling functions: what people decided, taken as votes, and what the votes make together as training labels."""
