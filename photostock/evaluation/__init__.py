"""What each stage of a search adds and costs, measured through the code that serves."""
