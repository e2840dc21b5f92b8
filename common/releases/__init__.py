"""How a version gets into service: reviewed, compared in the shadows, given a share of the traffic, taken back."""
