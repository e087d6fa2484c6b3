"""Another model behind the same address: told from what the server says of itself, over real runs."""

from pathlib import Path
from typing import Any

from sqlalchemy import update

from service.simulator import create
from service.storage.schema import AnswerRow, RunRow
from tests.support.live import Live, listening, live


async def firing(service: Live) -> dict[str, dict[str, Any]]:
    return {one["rule"]: one for one in (await service.get("/api/v1/alerts?state=firing"))["alerts"]}


async def test_a_new_fingerprint_fires_until_the_baseline_knows_it(tmp_path: Path) -> None:
    async with listening(create()) as models:
        settings: dict[str, Any] = {"judge_base_url": f"{models}/v1", "judge_model": "simulated/judge"}
        async with live(tmp_path, **settings) as service:
            await service.register(base_url=f"{models}/v1", model="simulated/base")
            runs = [await service.run() for _ in range(3)]
            assert "ModelChanged" not in await firing(service)
            async with service.services.database.write() as session:  # as if another one had answered the baseline
                old = [run["id"] for run in runs]
                await session.execute(
                    update(AnswerRow).where(AnswerRow.run_id.in_(old)).values(system_fingerprint="fp_old")
                )
            run = await service.run()
            alert = (await firing(service))["ModelChanged"]
            assert alert["run"] == run["id"]
            assert alert["severity"] == "warning"
            assert "the system fingerprint simulated; before it was fp" in alert["summary"]
            await service.run()
            assert "ModelChanged" in await firing(service), "the baseline still knows the old one alone"
            reply = await service.http.put("/api/v1/endpoints/prod/baseline", json={"runs": [run["id"]]})
            assert reply.status_code == 200, reply.text
            await service.run()
            await service.run()
            assert "ModelChanged" not in await firing(service)


async def test_a_budget_that_is_used_up_is_told_and_nobody_is_blamed(tmp_path: Path) -> None:
    async with listening(create()) as models:
        settings: dict[str, Any] = {"judge_base_url": f"{models}/v1", "judge_model": "simulated/judge"}
        async with live(tmp_path, **settings) as service:
            limits = {"tokens_per_day": 300}
            await service.register(base_url=f"{models}/v1", model="simulated/base", limits=limits)
            run = await service.run()
            assert run["problem"]["reason"] == "budget_exhausted"
            found = await firing(service)
            assert set(found) == {"BudgetExhausted"}
            assert "tokens" in found["BudgetExhausted"]["summary"]
            await service.services.metrics.refresh()
            text = (await service.http.get("/metrics")).text
            labels = 'endpoint="prod",rule="BudgetExhausted",severity="warning"'
            assert f"selfwatch_alert_state{{{labels}}} 2.0" in text
            async with service.services.database.read() as session:
                assert (await session.get_one(RunRow, run["id"])).reason == "budget_exhausted"
