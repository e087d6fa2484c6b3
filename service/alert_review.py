"""After the rules were changed: the last run of each endpoint is looked at again, by the rules that ask for something
else now. A rule that is new speaks at once, and none has to wait for the next run.

Not by rules that the clock looks at as well, such as BudgetExhausted: the last run knows nothing of the slots since,
and the clock goes on with them.
"""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from alerts.types import Source
from service import alert_facts
from service.alerting import Alerting
from service.log import logger
from service.storage import alerts as store
from service.storage import endpoints as endpoint_store
from service.storage.engine import Database
from service.storage.newest import CONCLUDED
from service.storage.schema import EndpointRow, RunRow

log = logger()


async def review(database: Database, alerting: Alerting, now: datetime) -> int:
    """Look again. Returns how many endpoints had a rule that was changed. Doing it twice changes nothing more."""
    keys = {rule.name: rule.key for rule in alerting.policy.rules if rule.sources == {Source.RUN}}
    reviewed = 0
    async with database.write() as session:
        await store.retire(session, list(alerting.rules))
        for endpoint in await endpoint_store.all_endpoints(session):
            rows = await store.of_subject(session, endpoint.name)
            known = {name: row.rule_key for name, row in rows.items()}
            changed = {name for name, key in keys.items() if known.get(name, "") != key}
            run = await _last(session, endpoint) if changed else None
            if run is None:
                continue
            facts = replace(await alert_facts.of_stored(session, run, endpoint, now), again=True)
            around = await alerting.around(session, now)
            changes = alerting.survey(rows, facts, around, only=changed)
            await alerting.write(session, endpoint.id, changes, facts)
            reviewed += 1
    if reviewed:
        log.info("rules changed: last runs looked at again", action="rules_reviewed", endpoints=reviewed)
    return reviewed


async def _last(session: AsyncSession, endpoint: EndpointRow) -> RunRow | None:
    query = select(RunRow).where(RunRow.endpoint_id == endpoint.id, RunRow.state.in_(CONCLUDED))
    return await session.scalar(query.order_by(RunRow.id.desc()).limit(1))
