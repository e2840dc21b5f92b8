"""Where a log line goes."""
