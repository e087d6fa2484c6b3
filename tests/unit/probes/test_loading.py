"""Big packages are loaded once, and leave the garbage collector on."""

import gc
import sys

import pytest

from probes.loading import load


def test_a_module_is_there_afterwards_and_the_collector_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    load("colorsys")
    assert "colorsys" in sys.modules
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0
    gc.unfreeze()


def test_what_is_loaded_is_left_alone() -> None:
    gc.unfreeze()
    load("gc", "sys")
    assert gc.get_freeze_count() == 0


def test_a_module_that_is_missing_is_told_and_the_collector_stays_on() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        load("no_such_module")
    assert gc.isenabled()
    gc.unfreeze()
