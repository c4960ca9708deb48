"""What goes wrong on purpose, in one vault."""

import uuid
from datetime import timedelta
from typing import Any, Literal

from .admin import Keyhaven


class Fault:
    """A rule of a vault, which acts until it is removed."""

    def __init__(self, keyhaven: Keyhaven, rule: dict[str, Any]) -> None:
        self._keyhaven = keyhaven
        # A name of its own: the rules of other tests are left alone.
        self._path = f"/admin/faults/t-{uuid.uuid4().hex}"
        keyhaven.admin("PUT", self._path, {"rules": [rule]})

    @property
    def hits(self) -> int:
        """How often it has acted."""
        return int(self._keyhaven.admin("GET", self._path)["rules"][0]["hits"])

    def remove(self) -> None:
        """Ends it."""
        self._keyhaven.admin("DELETE", self._path)


class Faults:
    """Makes requests of one vault go wrong. Of several rules that fit, the first one acts."""

    def __init__(self, keyhaven: Keyhaven, vault: str) -> None:
        self._keyhaven = keyhaven
        self._vault = vault
        self._all: list[Fault] = []

    def __call__(
        self,
        operation: str | None = None,
        *,
        status: Literal[429, 500, 503] | None = None,
        retry_after: int | None = None,
        delay: str | timedelta | None = None,
        cut: Literal["before", "after"] | None = None,
        token: Literal["expired"] | None = None,
        times: int | None = None,
        rate: float | None = None,
    ) -> Fault:
        """Requests for `operation` (`SecretGet`; all, when there is none) go wrong in one of four ways: they are answered with a
        `status`, and a Retry-After of `retry_after` seconds; they take `delay` longer; their connection is `cut` before or after the
        work is done; their token counts as expired. `times` bounds how often, `rate` (0 to 1) is the share of the requests."""
        if isinstance(delay, timedelta):
            delay = f"PT{delay.total_seconds()}S"
        then = given(status=status, retryAfter=retry_after, delay=delay, cut=cut, token=token)
        rule = given(vault=self._vault, operation=operation, times=times, rate=rate, then=then)
        fault = Fault(self._keyhaven, rule)
        self._all.append(fault)
        return fault

    def clear(self) -> None:
        """Ends all of them."""
        listed = self._keyhaven.admin("GET", "/admin/faults").get("named", {})
        for fault in self._all:
            if fault._path.rpartition("/")[2] in listed:
                fault.remove()
        self._all.clear()


def given(**members: Any) -> dict[str, Any]:
    """The members that have a value."""
    return {name: value for name, value in members.items() if value is not None}
