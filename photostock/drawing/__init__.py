"""Flat illustrations of demo photos, drawn from a scene: colours, backdrop, weather and one subject."""
