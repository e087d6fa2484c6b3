"""kill -9 of the real server around a delivery: nothing is lost, and what comes twice has the same key."""

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

import pytest
import yaml

from tests.acceptance.test_serve import call
from tests.support.hook import Hook, hook
from tests.support.processes import environment, free_port, selfwatch, wait_for

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]


class Service:
    """Where the service under test keeps its things, and how to start it."""

    def __init__(self, folder: Path, hook_port: int, models: int) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._starts = 0
        simulator = f"http://127.0.0.1:{models}/v1"
        config = {
            "judge_base_url": simulator, "judge_model": "simulated/judge", "escalation": "off",
            "notifiers": {"hook": {"kind": "webhook", "url": f"http://127.0.0.1:{hook_port}/x"}},
            "endpoints": [
                {"name": f"bot-{n}", "base_url": simulator, "model": "simulated/misaligned", "schedules": {}}
                for n in range(3)
            ],
        }  # fmt: skip
        (folder / "selfwatch.yaml").write_text(yaml.safe_dump(config))

    @contextmanager
    def started(self) -> Iterator[Popen[bytes]]:
        self._starts += 1
        log = self.folder / f"serve-{self._starts}.log"
        arguments = ("serve", "--port", str(self.port), "--config", str(self.folder / "selfwatch.yaml"))
        env = environment(SELFWATCH_DATA_DIR=str(self.folder / "data"))
        with selfwatch(*arguments, log=log, env=env) as process:
            wait_for(f"{self.url}/readyz", process, log)
            yield process

    def beat(self) -> None:
        for number in range(3):
            call(f"{self.url}/api/v1/endpoints/bot-{number}/runs", "POST", {"plan": "heartbeat"})

    def rows(self) -> list[tuple[str, str, int, str | None]]:
        """(flip, state, attempts, lease) of each delivery, as the file has it."""
        connection = sqlite3.connect(f"file:{self.folder / 'data' / 'selfwatch.db'}?mode=ro", uri=True, timeout=10)
        try:
            return connection.execute("SELECT flip_id, state, attempt, lease_until FROM deliveries").fetchall()
        finally:
            connection.close()


def kill(process: Popen[bytes]) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def all_delivered(service: Service, deadline_s: float = 90) -> set[str]:
    """The keys of all flips that had to be told, once each of their deliveries is settled."""
    end = time.monotonic() + deadline_s
    while any(state != "delivered" for _, state, _, _ in service.rows()):
        assert time.monotonic() < end, service.rows()
        time.sleep(0.2)
    return {flip for flip, *_ in service.rows()}


@pytest.fixture
def models(tmp_path: Path) -> Iterator[int]:
    port, log = free_port(), tmp_path / "simulator.log"
    with selfwatch("simulate", "--port", str(port), log=log) as process:
        wait_for(f"http://127.0.0.1:{port}/healthz", process, log)
        yield port


def assert_told(receiver: Hook, flips: set[str]) -> None:
    assert set(receiver.keys) == flips  # none lost, none invented
    bodies = {key: body for key, (_, body) in zip(receiver.keys, receiver.got, strict=True)}
    assert all(bodies[headers["idempotency-key"]] == body for headers, body in receiver.got)


def test_killed_between_commit_and_send_nothing_is_lost(tmp_path: Path, models: int) -> None:
    with hook() as receiver:
        service = Service(tmp_path, int(receiver.url.rpartition(":")[2]), models)
        with service.started() as process:
            end = time.monotonic() + 60
            beaten = 0.0
            while not (waiting := [flip for flip, *rest in service.rows() if rest == ["pending", 0, None]]):
                assert time.monotonic() < end, service.rows()
                if time.monotonic() - beaten > 3:  # the server sends once a second: most flips are seen waiting
                    service.beat()
                    beaten = time.monotonic()
            kill(process)
        assert set(waiting) - set(receiver.keys)
        with service.started():
            assert_told(receiver, all_delivered(service))


def test_killed_between_send_and_mark_what_comes_again_has_the_same_key(tmp_path: Path, models: int) -> None:
    with hook() as receiver:
        service = Service(tmp_path, int(receiver.url.rpartition(":")[2]), models)
        victim: list[Popen[bytes]] = []
        struck = threading.Event()

        def strike() -> None:
            if victim and not struck.is_set():
                struck.set()
                os.kill(victim[0].pid, signal.SIGKILL)

        receiver.first = strike
        with service.started() as process:
            victim.append(process)
            for _ in range(6):
                if struck.is_set():
                    break
                try:
                    service.beat()
                except OSError:
                    break  # it has just been killed
                struck.wait(5)
            assert struck.is_set()
            process.wait()
        before = list(receiver.keys)
        assert before
        assert "delivered" not in {state for flip, state, _, _ in service.rows() if flip == before[0]}
        with service.started():
            assert_told(receiver, all_delivered(service))
        assert receiver.keys.count(before[0]) >= 2  # at least once means: here, twice
