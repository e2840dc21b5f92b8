"""Many times the load that one core can carry: what is still served, and how the rest is told."""
