"""Pictures of the dashboards, drawn by Grafana's own React components from a real Prometheus. Needs Node."""
