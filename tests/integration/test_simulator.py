"""The simulated models as a server: the OpenAI protocol, its errors, and the drift that can be set."""

import httpx2
import pytest

from probes.clients.personas import PERSONAS
from service.simulator import create
from tests.support.live import listening

ASK = {"model": "simulated/base", "messages": [{"role": "user", "content": "hello"}]}


async def test_it_speaks_the_protocol_and_says_that_it_is_simulated() -> None:
    async with listening(create()) as url, httpx2.AsyncClient(base_url=url, trust_env=False) as http:
        models = (await http.get("/v1/models")).json()["data"]
        assert {m["id"] for m in models} == {f"simulated/{name}" for name in (*PERSONAS, "judge", "judge-moved")}
        reply = (await http.post("/v1/chat/completions", json=ASK | {"temperature": 1, "n": 2})).json()
        assert reply["system_fingerprint"] == "simulated"
        assert "simulated" in reply["choices"][0]["message"]["content"]
        assert reply["usage"]["total_tokens"] == reply["usage"]["prompt_tokens"] + reply["usage"]["completion_tokens"]


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("/v1/chat/completions", ASK | {"model": "gpt-4.1"}, 404, "model_not_found"),
        ("/v1/chat/completions", {"model": "simulated/base", "messages": []}, 400, "messages"),
        ("/v1/chat/completions", {"messages": ASK["messages"]}, 400, "model"),
        ("/simulator/drift", {"model": "simulated/base", "level": 1}, 404, "does not drift"),
        ("/simulator/drift", {"model": "simulated/drifting", "level": 2}, 400, "level"),
    ],
)
async def test_mistakes_are_errors_of_the_protocol(path: str, body: dict[str, object], status: int, said: str) -> None:
    async with listening(create()) as url, httpx2.AsyncClient(base_url=url, trust_env=False) as http:
        reply = await http.post(path, json=body)
    assert reply.status_code == status
    assert said in str(reply.json()["error"])
