"""What goes wrong on a cluster, besides what functions raise."""

from __future__ import annotations

import builtins
import concurrent.futures

__all__ = ["CancelledError", "KilledWorker", "NoValidWorkerError", "TimeoutError"]

TimeoutError = builtins.TimeoutError


class CancelledError(concurrent.futures.CancelledError):
    """A future was cancelled.

    Attributes
    ----------
    key : str
        Of the future.
    reason : str
        By whom and why.
    """

    def __init__(self, key: str = "", reason: str = ""):
        super().__init__(key, reason)
        self.key = key
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.key}: {self.reason}" if self.key else self.reason


class KilledWorker(Exception):
    """Workers died while they ran a task, more often than is allowed."""


class NoValidWorkerError(Exception):
    """No worker may run a task: none has its resources, or is called as it wants."""
