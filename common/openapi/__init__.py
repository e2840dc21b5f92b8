"""The published OpenAPI documents: recorded in the repository, and compared with what the code says today."""
