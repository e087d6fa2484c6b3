"""From code to the JSON that Grafana reads."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.grafana import endpoint, fleet, service

FOLDER = Path(__file__).parent / "dashboards"
DASHBOARDS: Mapping[str, Callable[[], builders.Dashboard]] = {
    "fleet": fleet.build,
    "endpoint": endpoint.build,
    "service": service.build,
}


def generated(name: str) -> str:
    """The JSON text of a dashboard. Panels are numbered from 1, in their order."""
    built = DASHBOARDS[name]().build()
    for number, panel in enumerate(built.panels or [], start=1):
        panel.id_val = number
    return json.dumps(built, cls=JSONEncoder, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write them all."""
    for name in DASHBOARDS:
        path = FOLDER / f"{name}.json"
        path.write_text(generated(name), encoding="utf-8")
        print(path)  # noqa: T201 (says what was written)


if __name__ == "__main__":
    main()
