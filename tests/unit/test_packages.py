"""The four import packages keep plain names; nobody else may claim them in an installation."""

from importlib import import_module
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

OURS = ("service", "probes", "baselines", "alerts")


@pytest.mark.parametrize("name", OURS)
def test_no_other_installed_distribution_provides_our_packages(name: str) -> None:
    owners = set(packages_distributions().get(name, [])) | {"selfwatch"}
    assert owners == {"selfwatch"}


@pytest.mark.parametrize("name", OURS)
def test_the_import_finds_ours(name: str) -> None:
    assert Path(str(import_module(name).__file__)).parents[1] == Path(__file__).parents[2]
