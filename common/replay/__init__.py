"""Every answer made again, to the same bytes: what is kept of it, for how long, and how its tiers act again."""
