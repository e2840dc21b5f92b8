"""Experiments that prove what the safe client claims: each has a promise, a small table and an exit code."""
