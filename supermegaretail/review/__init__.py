"""Two versions of the forecaster side by side, for the person who decides about a release."""
