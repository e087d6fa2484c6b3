"""A clock that stands where it is put."""

from datetime import datetime, timedelta


class Clock:
    """Call it for the time; set `at`, or let it pass."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def passes(self, **span: float) -> None:
        self.at += timedelta(**span)
