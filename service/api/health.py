"""Is it alive, is it ready, and its metrics."""

from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client.exposition import gzip_accepted
from sqlalchemy import text

from probes.gate import Gate
from service.api.access import requires
from service.services import services_of

router = APIRouter(tags=["health"])


@router.get("/livez")
async def livez() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(request: Request, response: Response) -> dict[str, Any]:
    """Each thing we depend on, by name. 503 when one that we cannot work without fails."""
    services = services_of(request)
    checks = {
        "database": services.database.trouble or "ok",
        "judge": services.judge_note or _judge(services.judge_gate),
        "network": services.connectivity.describe(),
    }
    try:
        async with services.database.read() as session:
            await session.execute(text("SELECT 1"))
    except Exception as error:
        checks["database"] = services.database.trouble or type(error).__name__
    if checks["database"] != "ok":  # it may be readable and not take a write
        response.status_code = 503
    return {"status": "ok" if response.status_code != 503 else "unavailable", "checks": checks}


def _judge(gate: Gate | None) -> str:
    problem = gate.problem if gate else None
    return f"{problem.reason}: {problem.detail}" if problem else "ok"


@router.get("/metrics", dependencies=[Depends(requires("read"))])
async def metrics(request: Request) -> Response:
    """Prometheus text, rendered when something changed, not when it is scraped."""
    rendered = services_of(request).metrics
    compressed = gzip_accepted(request.headers.get("accept-encoding", ""))
    headers = {"Vary": "Accept-Encoding"} | ({"Content-Encoding": "gzip"} if compressed else {})
    body = await rendered.scrape(compressed=compressed)
    return Response(body, media_type=rendered.content_type, headers=headers)
