"""Demand forecasts per store and product: case study 1."""
