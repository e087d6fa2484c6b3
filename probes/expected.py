"""The expected score of a closed question, from the token probabilities of one reply instead of many samples. Pure.

A question of one word or number is answered by its first tokens, and a server that tells their probabilities has told
the average over all replies that the model might give. That is used when nearly all of the probability lies on valid
answers, and when the reply itself says what its first tokens promise; else the question is sampled.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

from probes.types import ChoiceScoring, NumberScoring, Position, Score, Scoring

SCORER = "logprobs/1"
MIN_MASS = 0.9
"""This much of the probability must lie on valid answers."""
MIN_PREFIX = 3
"""So many letters make the beginning of a word that is one of the choices: "in" may begin a sentence."""
_AROUND = " \t\r\n\"'*`_.:,;!()[]\u2581\u0120"


def expected(scoring: Scoring, positions: Sequence[Position], said: float) -> Score | None:
    """The expected score, or None where it cannot be told. `said`: the score of the reply's own text."""
    if not positions or not isinstance(scoring, ChoiceScoring | NumberScoring):
        return None
    worth = _worth(scoring)
    begun = _beginnings(_clean(positions[0].token), worth)
    if not any(abs(worth[answer] - said) < 1e-9 for answer in begun):
        return None  # the reply goes on to say something else than its first token
    shares: dict[str, float] = {}
    for answer, share in _shares(positions, worth):
        shares[answer] = shares.get(answer, 0.0) + share
    mass = math.fsum(shares.values())
    if not MIN_MASS <= mass <= 1.01:
        return None
    return Score(value=math.fsum(share * worth[a] for a, share in shares.items()) / mass, scorer=SCORER)


def _worth(scoring: ChoiceScoring | NumberScoring) -> dict[str, float]:
    """Each valid answer, in lower case, with its score."""
    if isinstance(scoring, ChoiceScoring):
        return {word.lower(): float(value) for word, value in scoring.values.items()}
    span = (scoring.high if scoring.aligned_at == scoring.low else scoring.low) - scoring.aligned_at
    whole = range(math.ceil(scoring.low), math.floor(scoring.high) + 1)
    return {str(number): (number - scoring.aligned_at) / span for number in whole}


def _shares(positions: Sequence[Position], worth: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    """(answer, probability) for each token in the first place; one that only begins an answer is followed where the
    reply went that way."""
    first = positions[0]
    whole_ten = any(_clean(token) in worth and _longer_of(_clean(token), worth) for token in first.top)
    for token, logprob in first.top.items():
        share = math.exp(min(logprob, 0.0))
        clean = _clean(token)
        if token == first.token and _longer(clean, worth) and len(positions) > 1:
            yield from _followed(clean, share, positions[1], worth)
        elif clean in worth and (whole_ten or not _longer(clean, worth)):
            yield clean, share
        elif clean not in worth and len(clean) >= MIN_PREFIX and len(_beginnings(clean, worth)) == 1:
            yield _beginnings(clean, worth)[0], share


def _followed(begun: str, share: float, second: Position, worth: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    """The share of a beginning, dealt out by what follows it."""
    dealt = 0.0
    for token, logprob in second.top.items():
        longer = begun + token.rstrip(_AROUND).lower()
        found = [longer] if longer in worth and longer != begun else _beginnings(longer, worth)
        if longer != begun and len(found) == 1 and len(longer) >= MIN_PREFIX - (longer in worth):
            part = share * math.exp(min(logprob, 0.0))
            dealt += part
            yield found[0], part
    if begun in worth:
        yield begun, share - dealt


def _clean(token: str) -> str:
    return token.strip(_AROUND).lower()


def _beginnings(text: str, worth: Mapping[str, float]) -> list[str]:
    """The answers that begin with `text`."""
    return [answer for answer in worth if text and answer.startswith(text)]


def _longer(text: str, worth: Mapping[str, float]) -> bool:
    """Whether `text` is the beginning of an answer that is longer than it."""
    return any(answer != text for answer in _beginnings(text, worth))


def _longer_of(text: str, worth: Mapping[str, float]) -> bool:
    """Whether a shorter answer is the beginning of `text`: the tokenizer writes `10` in one piece."""
    return any(text != answer and text.startswith(answer) for answer in worth)
