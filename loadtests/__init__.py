"""Load, faults and the tour: everything here speaks HTTP to the services and signals to their processes."""
