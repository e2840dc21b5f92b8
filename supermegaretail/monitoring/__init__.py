"""What became of the forecasts: what was told, whether it came true, and what should alarm somebody."""
