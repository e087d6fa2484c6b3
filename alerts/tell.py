"""Who has yet to be told what about an alert. Pure.

Told by level, not by edge: `Alert.told` names the notifiers that hold it for firing, and whatever differs from how it
stands is owed. So no firing is lost while an alert is muted, a resolved goes to those who were told of the firing, and
a notifier or route that is added hears of what fires already.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from alerts.types import Alert, AlertState, Notice


class Why(StrEnum):
    """What a message is sent for."""

    FLIP = "flip"
    LATE = "late"
    REMINDER = "reminder"


@dataclass(frozen=True, kw_only=True)
class Owed:
    """`status`: firing or resolved."""

    status: AlertState
    notifiers: tuple[str, ...]
    why: Why


def owed(
    alert: Alert, targets: Sequence[str], *, muted: bool, now: datetime, remind_after: timedelta | None
) -> Owed | None:
    """What to send now, if anything. `targets`: the notifiers that the alert is routed to.

    A resolved waits for no mute: it disturbs nobody, and a receiver such as Alertmanager is told again and again that
    it fires until it comes.
    """
    why = Why.FLIP if alert.since == now else Why.LATE
    if alert.state is not AlertState.FIRING:
        return Owed(status=AlertState.RESOLVED, notifiers=alert.told, why=why) if alert.told else None
    if muted:
        return None
    missing = tuple(name for name in targets if name not in alert.told)
    if missing:
        return Owed(status=AlertState.FIRING, notifiers=missing, why=why)
    if alert.told and remind_after is not None and alert.told_at is not None and now - alert.told_at >= remind_after:
        again = tuple(name for name in targets if name in alert.told)
        return Owed(status=AlertState.FIRING, notifiers=again, why=Why.REMINDER) if again else None
    return None


def after(alert: Alert, told: Owed, now: datetime) -> Alert:
    """The alert once that has been put into the outbox."""
    if told.status is AlertState.RESOLVED:
        return replace(alert, told=(), told_at=None)
    return replace(alert, told=tuple(dict.fromkeys((*alert.told, *told.notifiers))), told_at=now)


def worded(notice: Notice, told: Owed, key: str, now: datetime) -> Notice:
    """The notice for another occasion than the flip that it was written for."""
    if told.why is Why.FLIP:
        return notice
    if told.why is Why.REMINDER:
        return replace(
            notice, idempotency_key=key, title=f"STILL {notice.title}",
            text=f"Reminder: it has been firing for {_span(now - notice.since)}.\n{notice.text}",
        )  # fmt: skip
    return replace(notice, text=f"Sent late: until now it was muted, or not routed to this channel.\n{notice.text}")


def known_as(resolved: Notice, firing: Notice) -> Notice:
    """With what the receiver knows the alert by, as it was told last: severity and labels may have changed since, and a
    receiver such as Alertmanager would take it for another alert."""
    return replace(resolved, severity=firing.severity, labels=firing.labels)


def _span(time: timedelta) -> str:
    minutes = round(time.total_seconds() / 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"
