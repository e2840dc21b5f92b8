"""The operators' panel: who may do what, what was done, and how the service is."""
