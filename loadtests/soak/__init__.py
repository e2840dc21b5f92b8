"""An hour's worth of traffic at speed, and whether anything grew meanwhile that should stand still."""
