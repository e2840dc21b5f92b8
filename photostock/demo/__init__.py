"""The vocabulary of the demo catalogue: what can be in a scene, and how three different people put it into words."""
