"""What a drill says when a stage is not reached, and how its simulated alert is closed."""

from collections.abc import Mapping

from alerts.types import AlertState, Flip, Notice
from service.drill_script import MOST_HEARTBEATS


def unseen(persona: str, rule: str) -> str:
    return (
        f"{rule} did not hold in {MOST_HEARTBEATS} simulated heartbeats of the persona {persona!r}; the endpoint's own "
        "baseline may be no better than the persona, or the threshold too high"
    )


def undelivered(missing: Mapping[str, tuple[str, str | None]], receipt_s: float) -> str:
    told = [
        f"{name}: {'gave up' if state == 'dead' else f'not delivered within {receipt_s:g} s'}"
        + (f" ({error})" if error else "")
        for name, (state, error) in sorted(missing.items())
    ]
    return "; ".join(told)


def resolved_of(firing: Notice, drill_id: str) -> Notice:
    """What closes the simulated alert if this process should end before it can."""
    title = firing.title.replace(firing.severity.upper(), "RESOLVED", 1)
    return Notice(
        **{
            **vars(firing), "idempotency_key": f"{firing.idempotency_key[:-5]}-left", "title": title,
            "status": AlertState.RESOLVED, "text": f"The drill {drill_id} was cut short; nothing real has happened.",
        }
    )  # fmt: skip


def closing_flip(notice: Notice) -> Flip:
    return Flip(
        id=notice.idempotency_key, rule=notice.rule, endpoint=notice.endpoint, severity=notice.severity,
        before=AlertState.FIRING, after=AlertState.RESOLVED, at=notice.at, run_id="", notify=True,
    )  # fmt: skip
