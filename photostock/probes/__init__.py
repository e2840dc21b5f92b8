"""Fixed questions to PhotoStock's code, for `python -m common registry verify`: what it answers is its behaviour."""
