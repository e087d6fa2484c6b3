"""Grafana dashboards as code. `make dashboards` writes them to `dashboards/*.json`; a test compares."""
