"""The pages, a module for each. Server-rendered; the bodies of live ones refresh themselves."""

from fastapi import APIRouter, Depends

from service.api.access import requires
from service.ui.pages import (
    action_forms,
    alerts,
    answers,
    battery,
    budget,
    compare,
    endpoint,
    endpoint_actions,
    endpoint_form,
    fleet,
    profiles,
    run,
    runbook,
    system,
)

PAGES = (
    fleet,
    endpoint_form,
    endpoint,
    action_forms,
    endpoint_actions,
    run,
    answers,
    compare,
    runbook,
    alerts,
    profiles,
    battery,
    budget,
    system,
)

router = APIRouter(include_in_schema=False, dependencies=[Depends(requires("read"))])
for page in PAGES:
    router.include_router(page.router)
