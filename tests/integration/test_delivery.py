"""From a verdict to a message in somebody else's hands, over real HTTP."""

import asyncio
from pathlib import Path

from service.simulator import create
from tests.support.fake_openai import FakeOpenAI
from tests.support.live import listening, live


async def test_a_flip_reaches_its_webhook_once_and_a_dead_one_holds_nothing_up(tmp_path: Path) -> None:
    receiver, broken = FakeOpenAI(), FakeOpenAI("always 500")
    async with listening(create()) as models, listening(receiver) as hook, listening(broken) as dead:
        notifiers = {
            "dead": {"kind": "webhook", "url": f"{dead}/x"},
            "hook": {"kind": "webhook", "url": f"{hook}/x"},
        }
        judged = {"judge_base_url": f"{models}/v1", "judge_model": "simulated/judge", "notifiers": notifiers}
        async with live(tmp_path, **judged) as service:
            await service.register(base_url=f"{models}/v1", model="simulated/misaligned")
            for _beat in range(6):
                run = await service.run()
                if run["verdict"] != "steady":
                    break
            firing = {a["rule"] for a in (await service.get("/api/v1/alerts?state=firing"))["alerts"]}
            assert firing
            async with asyncio.timeout(20):
                while len(receiver.requests) < len(firing) or not broken.requests:
                    await asyncio.sleep(0.05)
            await asyncio.sleep(0.5)
            assert len(receiver.requests) == len(firing)
            text = str(receiver.requests)
            assert all(rule in text for rule in firing)
            assert "/runs/" + run["id"] in text
            await service.services.metrics.refresh()
            metrics = (await service.http.get("/metrics")).text
            assert f'selfwatch_notifications_total{{notifier="hook",outcome="delivered"}} {len(firing)}.0' in metrics
            assert 'notifier="dead",outcome="delivered"' not in metrics


async def test_what_could_not_be_sent_is_sent_after_a_restart(tmp_path: Path) -> None:
    receiver = FakeOpenAI("always 500")
    async with listening(create()) as models, listening(receiver) as hook:
        settings = {
            "judge_base_url": f"{models}/v1", "judge_model": "simulated/judge",
            "notifiers": {"hook": {"kind": "webhook", "url": f"{hook}/x"}},
        }  # fmt: skip
        async with live(tmp_path, **settings) as service:
            await service.register(base_url=f"{models}/v1", model="simulated/misaligned")
            for _beat in range(6):
                if (await service.run())["verdict"] != "steady":
                    break
            async with asyncio.timeout(20):
                while not receiver.requests:
                    await asyncio.sleep(0.05)
        receiver.mode = "ok"
        failed = len(receiver.requests)
        async with live(tmp_path, **settings), asyncio.timeout(60):
            while len(receiver.requests) == failed:
                await asyncio.sleep(0.1)


async def test_every_kind_of_channel_tells_the_change_and_no_reply_of_the_model(tmp_path: Path) -> None:
    hooks = {kind: FakeOpenAI() for kind in ("webhook", "alertmanager", "apprise")}
    async with (
        listening(create()) as models,
        listening(hooks["webhook"]) as webhook,
        listening(hooks["alertmanager"]) as alertmanager,
        listening(hooks["apprise"]) as apprise,
    ):
        notifiers = {
            "webhook": {"kind": "webhook", "url": f"{webhook}/x"},
            "alertmanager": {"kind": "alertmanager", "urls": [alertmanager]},
            "apprise": {"kind": "apprise", "url": apprise.replace("http", "json") + "/x"},
        }
        judged = {"judge_base_url": f"{models}/v1", "judge_model": "simulated/judge", "notifiers": notifiers}
        async with live(tmp_path, **judged) as service:
            await service.register(base_url=f"{models}/v1", model="simulated/misaligned")
            runs = [await service.run()]
            while runs[-1]["verdict"] != "coherent_misalignment" and len(runs) < 20:
                runs.append(await service.run())
            firing = {a["rule"] for a in (await service.get("/api/v1/alerts?state=firing"))["alerts"]}
            assert "BehaviourDrift" in firing
            async with asyncio.timeout(30):
                while not all(rule in str(hook.requests) for hook in hooks.values() for rule in firing):
                    await asyncio.sleep(0.05)
            replies = [
                answer["reply"]
                for run in runs
                for answer in (await service.get(f"/api/v1/runs/{run['id']}/answers?limit=1000"))["answers"]
                if answer["reply"] and len(answer["reply"]) > 30
            ]
            assert replies
            for hook in hooks.values():
                told = str(hook.requests)
                assert all(rule in told for rule in firing)
                assert "moved toward misaligned" in told
                assert "A steady model would look like this about once in" in told or "less than once in" in told
                assert "/runbooks/" in told
                assert "To silence it: " in told
                assert not [reply for reply in replies if reply in told]
