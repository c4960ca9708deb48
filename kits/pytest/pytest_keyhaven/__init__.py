"""A key vault of its own for each test: fixtures, markers and options for pytest. See README.md."""

from .admin import Keyhaven
from .clock import Clock
from .error import KeyhavenError
from .faults import Fault, Faults
from .server import KeyhavenWarning

__all__ = ["Clock", "Fault", "Faults", "Keyhaven", "KeyhavenError", "KeyhavenWarning"]
