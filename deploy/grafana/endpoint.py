"""The Endpoint dashboard: everything that is known of one endpoint over time."""

from grafana_foundation_sdk.builders import dashboard as builders

from deploy.grafana import endpoint_rows
from deploy.grafana.board import ENDPOINT, board, label_variable
from deploy.grafana.endpoint_rows import ONLY


def build() -> builders.Dashboard:
    """Rows from the verdict down to what it costs."""
    found = (
        board(
            "Selfwatch / Endpoint",
            ENDPOINT,
            "One endpoint: what it says of itself, what it does, where that lies between the published base, realigned "
            "and misaligned states, how sure it is, and how well it is measured.",
            hours=24,
            only=ONLY,
        )
        .with_variable(label_variable("endpoint", "Endpoint", "selfwatch_endpoint_info", many=False))
        .with_variable(label_variable("profiles", "Landmarks", f"selfwatch_endpoint_info{{{ONLY}}}", many=False))
    )
    for title, panels in endpoint_rows.rows():
        found = found.with_row(builders.Row(title))
        for panel in panels:
            found = found.with_panel(panel)
    return found
