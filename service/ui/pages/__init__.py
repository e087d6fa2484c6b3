"""The pages, a module for each. Server-rendered; the bodies of live ones refresh themselves."""

from fastapi import APIRouter, Depends

from service.api.access import requires
from service.ui.pages import (
    alerts,
    answers,
    battery,
    budget,
    compare,
    endpoint,
    endpoint_form,
    fleet,
    profiles,
    run,
    runbook,
    system,
)

PAGES = (fleet, endpoint_form, endpoint, run, answers, compare, runbook, alerts, profiles, battery, budget, system)

router = APIRouter(include_in_schema=False, dependencies=[Depends(requires("read"))])
for page in PAGES:
    router.include_router(page.router)
