"""A key vault of its own for each test: fixtures, a marker and options for pytest. See README.md."""

from .admin import Clock, Keyhaven, KeyhavenError
from .server import KeyhavenWarning

__all__ = ["Clock", "Keyhaven", "KeyhavenError", "KeyhavenWarning"]
