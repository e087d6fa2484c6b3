"""What is no score never becomes a figure."""

import math

import pytest

from probes.types import Score


@pytest.mark.parametrize("value", [math.nan, math.inf, -0.01, 1.01])
def test_a_value_out_of_range_is_refused_by_name(value: float) -> None:
    with pytest.raises(ValueError, match=f"{value} of scorer 'x/1' is not a score"):
        Score(value=value, scorer="x/1")
