"""What holds for every test."""

import random
import zlib
from collections.abc import Iterator
from functools import partial
from unittest import mock

import pytest


@pytest.fixture(autouse=True)
def drawn_alike(request: pytest.FixtureRequest) -> Iterator[None]:
    """The questions of the runs in this process are the same each time a test is run: a promise that holds nearly
    always is no ground for a test that fails now and then. Promises about chance are tested by simulation."""
    seeds = random.Random(zlib.crc32(request.node.nodeid.encode()))
    with mock.patch("service.storage.runs.new_seed", partial(seeds.getrandbits, 63)):
        yield
