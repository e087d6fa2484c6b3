"""Whether the holder of a lease still lives: told for processes of this machine, and never guessed."""

import multiprocessing
import subprocess
import sys
from pathlib import Path

import pytest

from service.storage import holder

ASK = "from service.storage import holder; print(holder.me(), flush=True); input()"


def test_one_that_lives_is_not_gone_and_one_that_was_killed_is() -> None:
    process = subprocess.Popen([sys.executable, "-c", ASK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdin
    name = process.stdout.readline().strip()
    assert name.split("/")[1] == str(process.pid)
    assert not holder.is_gone(name)
    process.kill()
    process.wait()
    assert holder.is_gone(name)
    process.stdin.close()
    process.stdout.close()


def test_it_is_itself_and_lives() -> None:
    assert holder.me() == holder.me()
    assert not holder.is_gone(holder.me())


def test_a_process_that_got_the_same_number_is_another() -> None:
    space, pid, started = holder.me().split("/")
    assert holder.is_gone(f"{space}/{pid}/{int(started) - 1}")


@pytest.mark.parametrize("name", ["", "x", "otherhost:boot:1/1/5", "a/b/c", "/1/1", "host/1/0"])
def test_who_cannot_be_seen_from_here_is_not_said_to_be_gone(name: str) -> None:
    assert not holder.is_gone(name)


def test_without_proc_nobody_is_said_to_be_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = holder.me()
    monkeypatch.setattr(holder, "PROC", tmp_path)
    assert not holder.is_gone(name)


def _tell(queue: "multiprocessing.Queue[str]") -> None:
    queue.put(holder.me())


def test_a_fork_has_a_name_of_its_own() -> None:
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=_tell, args=(queue,))
    process.start()
    name = queue.get(timeout=20)
    process.join()
    assert name != holder.me()
    assert holder.is_gone(name)
