"""Automatic release of the forecaster: retrain, judge, roll out, and stop at the first thing that looks wrong."""
