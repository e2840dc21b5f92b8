"""From a fault to a person who knows what to do: alerts, runbooks, incidents with a time line."""
