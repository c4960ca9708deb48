"""The clock that vaults live by."""

from datetime import datetime, timedelta
from typing import Any

from .admin import Keyhaven


class Clock:
    """The clock that vaults live by. Tokens follow the machine's clock, so a client stays signed in. Moments are aware, in UTC."""

    def __init__(self, keyhaven: Keyhaven) -> None:
        self._keyhaven = keyhaven

    @property
    def now(self) -> datetime:
        """The present moment."""
        return moment(self._keyhaven.admin("GET", "/admin/clock"))

    def advance(self, period: str | timedelta) -> datetime:
        """Moves on by a timedelta, an ISO 8601 period such as P90D or P1Y6M, or text such as "90 days" or "2h 30m". What falls due
        is done when this returns. Answers the new moment."""
        if isinstance(period, timedelta):
            period = f"PT{period // timedelta(seconds=1)}S"
        return self._move(advance=period)

    def set(self, moment: str | datetime) -> datetime:
        """Moves on to a moment: an aware datetime, or text as of RFC 3339."""
        return self._move(set=moment.isoformat() if isinstance(moment, datetime) else moment)

    def freeze(self) -> datetime:
        """Stops the clock."""
        return self._move(freeze=True)

    def run(self) -> datetime:
        """Lets the clock run again."""
        return self._move(run=True)

    def _move(self, **how: Any) -> datetime:
        return moment(self._keyhaven.admin("POST", "/admin/clock", how))


def moment(answer: Any) -> datetime:
    """The moment of the clock's answer. Before Python 3.11 no Z is understood."""
    return datetime.fromisoformat(str(answer["now"]).replace("Z", "+00:00"))
