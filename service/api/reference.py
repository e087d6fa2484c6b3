"""What does not belong to one endpoint: the item banks."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from probes import registry
from service.api import present
from service.api.access import requires
from service.api.problems import not_found

router = APIRouter(prefix="/api/v1", tags=["reference"], dependencies=[Depends(requires("read"))])


@router.get("/items")
async def items(probe: Annotated[str | None, Query()] = None) -> dict[str, Any]:
    """The whole bank as asked, byte for byte."""
    if probe is not None and probe not in registry.names():
        raise not_found("probe", probe, f"known: {', '.join(registry.names())}")
    names = [probe] if probe else registry.names()
    banks = [registry.probe(name).bank for name in names]
    return {
        "banks": [{"probe": b.probe, "version": b.version, "content_hash": b.content_hash} for b in banks],
        "items": [present.item(item) for bank in banks for item in bank.items],
    }
