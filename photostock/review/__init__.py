"""Two versions of the reranker side by side, for the person who decides about a release."""
