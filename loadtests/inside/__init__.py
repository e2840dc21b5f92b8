"""What happens inside a process: deaths at any moment, and what its disk, its database and its clock do to it."""
