"""Every fault and its alert, with a real Prometheus and a real Alertmanager."""
