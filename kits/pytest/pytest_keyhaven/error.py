"""What went wrong with a server."""


class KeyhavenError(RuntimeError):
    """What the server refused, or why there is none, in its own words. `status` is that of the server's answer."""

    def __init__(self, text: str, status: int | None = None) -> None:
        super().__init__(text)
        self.status = status
