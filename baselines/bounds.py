"""Confidence bounds for means of values in [0, 1]. Pure, without scipy: the serving process needs them early."""

import math
from functools import lru_cache

STEPS = 40


def upper_bound(mean: float, n: float, delta: float) -> float:
    """An upper confidence bound at level 1 - `delta` for the mean of `n` independent values in [0, 1].

    Chernoff's bound with the Kullback-Leibler divergence, which holds for averages of differently distributed values
    too (Hoeffding 1963, theorem 1). `n` need not be whole: values of different weight are worth fewer. Raises
    ValueError for n <= 0.
    """
    if not n > 0:
        raise ValueError(f"n is {n}; a bound needs at least one value")
    target = math.log(1 / delta) / n
    low, high = min(max(mean, 0.0), 1.0), 1.0
    mean = low
    for _ in range(STEPS):  # bisection: the divergence grows with its second argument
        middle = (low + high) / 2
        low, high = (low, middle) if kl(mean, middle) > target else (middle, high)
    return high


@lru_cache(maxsize=16_384)
def cached_upper_bound(mean: float, n: float, delta: float) -> float:
    """`upper_bound` for `n` cut to three significant digits, a little higher: kept, for it is asked for often."""
    scale = 10.0 ** (math.floor(math.log10(n)) - 2)
    return upper_bound(mean, math.floor(n / scale) * scale, delta)


def kl(p: float, q: float) -> float:
    """Divergence of Bernoulli(p) from Bernoulli(q), in nats; 0 <= p <= 1, 0 < q < 1, or q = p."""
    first = p * math.log(p / q) if p > 0 else 0.0
    if p >= 1:
        return first
    return first + (1 - p) * math.log((1 - p) / (1 - q)) if q < 1 else math.inf
