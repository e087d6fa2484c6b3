"""A restart without a network: nothing is told that nobody knows."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from alerts.types import Alert, AlertState, Severity
from service.storage import alerts as store
from service.storage.schema import DeliveryRow
from tests.support.database import open_database
from tests.support.live import live


async def test_nothing_is_resolved_and_nobody_blamed_by_a_restart_while_offline(tmp_path: Path) -> None:
    since = datetime.now(UTC)
    settings: dict[str, Any] = {"connectivity_check": ["127.0.0.1:9"]}  # nobody listens there
    async with live(tmp_path, **settings) as service:
        await service.register()
    async with open_database(tmp_path / "data") as database, database.write() as session:
        for rule, subject, severity in (("WeAreOffline", "", Severity.CRITICAL), ("EndpointDown", "prod", "warning")):
            told = ("log",) if not subject else ()
            alert = Alert(
                rule=rule, endpoint=subject, severity=Severity(severity), state=AlertState.FIRING, since=since,
                told=told, told_at=since,
            )  # fmt: skip
            await store.save(session, alert, 1 if subject else None)
    async with live(tmp_path, **settings) as service:
        await service.services.ticker.tick()
        async with service.services.database.read() as session:
            assert (await session.scalars(select(DeliveryRow.notice))).all() == []
        ready = (await service.http.get("/readyz")).json()
        assert ready["checks"]["network"].startswith("offline since")
        states = {one["rule"]: one["state"] for one in (await service.get("/api/v1/alerts"))["alerts"]}
        assert states == {"WeAreOffline": "firing", "EndpointDown": "firing"}
