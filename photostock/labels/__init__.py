"""From what operators decided to what the next reranker learns, and back: which decisions it no longer needs."""
