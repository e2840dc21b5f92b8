"""What evaluation reports are made of: numbers in words, small drawings, tables and one self-contained HTML page."""
