"""Futures on a cluster: a scheduler, workers, and clients that submit calls and gather values.

Examples
--------
>>> from selion.distributed import Client
>>> with Client(n_workers=1, processes=False) as client:
...     future = client.submit(sum, [1, 2, 3])
...     future.result()
6
"""

from selion.distributed._errors import CancelledError, KilledWorker, NoValidWorkerError, TimeoutError
from selion.distributed.client import Client, default_client, get_client
from selion.distributed.cluster import LocalCluster
from selion.distributed.future import Future, as_completed, fire_and_forget, futures_of, wait
from selion.distributed.primitives import Event, Lock, Queue, Semaphore, Variable
from selion.distributed.progress import progress
from selion.distributed.security import Security
from selion.distributed.worker import Worker, get_worker, rejoin, secede, worker_client

__all__ = [
    "CancelledError",
    "Client",
    "Event",
    "Future",
    "KilledWorker",
    "LocalCluster",
    "Lock",
    "NoValidWorkerError",
    "Queue",
    "Security",
    "Semaphore",
    "TimeoutError",
    "Variable",
    "Worker",
    "as_completed",
    "default_client",
    "fire_and_forget",
    "futures_of",
    "get_client",
    "get_worker",
    "progress",
    "rejoin",
    "secede",
    "wait",
    "worker_client",
]
