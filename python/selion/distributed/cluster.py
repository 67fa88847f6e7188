"""A cluster on this machine."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import weakref

from selion import _selion
from selion.distributed._supervisor import Supervised
from selion.distributed.security import Security

__all__ = ["LocalCluster"]

_open: weakref.WeakSet = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for cluster in list(_open):
        cluster.close()


class LocalCluster:
    """A scheduler on a thread of this process, and workers in processes of their own, replaced when they crash.

    Needs no ``if __name__ == "__main__"`` guard.

    Parameters
    ----------
    n_workers : int, optional
        How many workers; by default as many as cores.
    threads_per_worker : int, optional
        Threads of each; by default the cores divided by the workers.
    processes : bool
        Whether workers are processes; else there is one, on threads of this process.
    memory_limit : int, float, str or None
        Bytes of each worker, such as ``"2GiB"``; a share of the machine's memory if at most 1; ``"auto"`` for an equal
        share.
    host : str
        Where to listen; beyond this machine only with ``security``.
    resources : dict, optional
        What each worker has in limited number.
    dashboard_address : str or None
        Where the status page is served, on another port if that one is taken; None for no page.
    security : Security or bool, optional
        Certificates for encrypted connections; True for new ones that nobody else has.

    Examples
    --------
    >>> from selion.distributed import Client, LocalCluster
    >>> with LocalCluster(n_workers=1, processes=False) as cluster, Client(cluster) as client:
    ...     client.submit(abs, -1).result()
    1
    """

    def __init__(
        self,
        n_workers: int | None = None,
        threads_per_worker: int | None = None,
        processes: bool = True,
        *,
        memory_limit="auto",
        host: str = "127.0.0.1",
        scheduler_port: int = 0,
        resources: dict | None = None,
        name: str | None = None,
        worker_ttl: float = 30.0,
        no_workers_timeout: float = 60.0,
        allowed_failures: int = 3,
        dashboard_address: str | int | None = ":8787",
        security: Security | bool | None = None,
        **kwargs,
    ):
        known = {"silence_logs", "asynchronous", "protocol", "interface", "loop"}
        if unknown := sorted(set(kwargs) - known):
            raise TypeError(f"LocalCluster got unexpected keyword arguments {unknown}")
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        if n_workers is None:
            n_workers = 1 if not processes else max(1, cores // (threads_per_worker or 1))
        if n_workers < 0:
            raise ValueError(f"n_workers must not be negative, got {n_workers}")
        self.name = name or "LocalCluster"
        self.processes = processes
        self._threads = threads_per_worker or max(1, cores // max(1, n_workers))
        self._memory_limit = _bytes(memory_limit, max(1, n_workers))
        self._resources = resources or {}
        self._host = host
        self._number = 0
        self._lock = threading.RLock()
        self._adaptive = None
        self.workers: dict = {}
        self._leaving: list = []
        self.status = "running"
        self.token = _selion.new_token()
        self.security = Security.of(security)
        self.scheduler_address, self._dashboard = _selion.start_scheduler(
            f"{host}:{scheduler_port}",
            self.token,
            allowed_failures,
            worker_ttl,
            no_workers_timeout,
            self.security._pem("scheduler"),
            dashboard=_page_address(dashboard_address),
        )
        self._client = None
        _open.add(self)
        try:
            self.scale(n_workers)
        except BaseException:
            self.close()
            raise

    def _start_worker(self) -> None:
        name, self._number = str(self._number), self._number + 1
        options = {
            "scheduler": self.scheduler_address,
            "token": self.token,
            "listen": f"{self._host}:0",
            "name": name,
            "nthreads": self._threads,
            "memory_limit": self._memory_limit,
            "resources": self._resources,
            "path": sys.path,
            "tls": self.security._pem("worker"),
        }
        self.workers[name] = Supervised(options) if self.processes else _Threads(options)

    def scale(self, n: int | None = None, jobs: int | None = None, **kwargs) -> None:
        """Starts workers, or ends some after their values have moved to others.

        Parameters
        ----------
        n : int
            How many workers there are to be.
        """
        n = jobs if n is None else n
        if n is None or n < 0:
            raise ValueError(f"the number of workers must not be negative, got {n}")
        with self._lock:
            present = self._forget_dead()
            while len(self.workers) < n:
                self._start_worker()
            surplus = list(self.workers)[n:]
            if surplus:
                self._own_client().retire([present[name] for name in surplus if name in present])
                for name in surplus:
                    worker = self.workers.pop(name)
                    if name not in present:
                        worker.end()
                    self._leaving.append(worker)

    def _own_client(self):
        if self._client is None:
            from selion.distributed.future import Future

            self._client = _selion.ClusterClient(
                self.scheduler_address, self.token, "cluster", 10.0, 10.0, Future, self.security._pem("client")
            )
        return self._client

    def _forget_dead(self) -> dict[str, int]:
        """Forgets workers that have ended or left; the numbers of those that are there, by name."""
        self._leaving = [worker for worker in self._leaving if worker.is_alive()]
        if not self.workers:
            return {}
        present = {worker["name"]: worker["id"] for worker in self._own_client().info()["workers"].values()}
        for name, worker in list(self.workers.items()):
            if name in present:
                worker.has_joined = True
            elif not worker.is_alive() or (worker.has_joined and worker.forgo()):
                self._leaving.append(self.workers.pop(name))
        return present

    def _leave(self, names: list[str]) -> None:
        """Workers that have been told to leave."""
        with self._lock:
            self._leaving += [self.workers.pop(name) for name in names if name in self.workers]

    def _restart(self) -> None:
        with self._lock:
            count = len(self.workers)
            for worker in self.workers.values():
                worker.end()
            self.workers.clear()
            self.scale(count)

    def adapt(
        self,
        minimum: int = 0,
        maximum: int | None = None,
        interval="1 s",
        target_duration="5 s",
        wait_count: int = 3,
        **kwargs,
    ):
        """Starts and ends workers as there is work.

        Parameters
        ----------
        minimum, maximum : int
            How few and how many workers there may be.
        interval : float or str
            Seconds between decisions.
        target_duration : float or str
            Seconds in which all that is waiting should be done.
        wait_count : int
            How often in a row fewer workers must be enough before some end.
        """
        from selion.distributed.adaptive import Adaptive

        if self._adaptive is not None:
            self._adaptive.stop()
        self._adaptive = Adaptive(self, minimum, maximum, interval, target_duration, wait_count)
        return self._adaptive

    def get_client(self):
        """A client of this cluster."""
        from selion.distributed.client import Client

        return Client(self)

    @property
    def dashboard_link(self) -> str:
        """Where the status page is; empty if there is none."""
        return _reachable(self._dashboard, self.scheduler_address)

    @property
    def scheduler_info(self) -> dict:
        """What the scheduler says of itself and its workers."""
        return self._own_client().info()

    def close(self, timeout=None) -> None:
        """Ends scheduler and workers."""
        with self._lock:
            if self.status == "closed":
                return
            self.status = "closed"
            if self._adaptive is not None:
                self._adaptive.stop()
            with contextlib.suppress(OSError, RuntimeError):
                self._own_client().shutdown()
            if self._client is not None:
                self._client.close()
            for worker in [*self.workers.values(), *self._leaving]:
                worker.end()
            self.workers.clear()
            self._leaving.clear()

    def __enter__(self) -> LocalCluster:
        return self

    def __exit__(self, *exc) -> None:
        self.close()

    def __repr__(self) -> str:
        if self.status == "closed":
            return f"LocalCluster({self.name!r}, closed)"
        threads = self._threads * len(self.workers)
        return f"LocalCluster({self.scheduler_address!r}, workers={len(self.workers)}, threads={threads})"

    def _repr_html_(self) -> str:
        import html

        return f"<div><h4>{html.escape(self.name)}</h4><p>{html.escape(repr(self))}</p></div>"


class _Threads:
    """A worker on threads of this process."""

    def __init__(self, options: dict):
        from selion.distributed.worker import Worker, _set_worker

        self._native = _selion.ClusterWorker(
            options["scheduler"],
            options["token"],
            options["listen"],
            options["name"],
            options["nthreads"],
            options["memory_limit"],
            list(options["resources"].items()),
            5.0,
            "",
            options["tls"],
        )
        self.pid = os.getpid()
        _set_worker(
            Worker(
                self._native.address,
                options["name"],
                options["nthreads"],
                options["scheduler"],
                options["token"],
                options["tls"],
            )
        )

    def is_alive(self) -> bool:
        return True

    def forgo(self) -> bool:
        return True

    def end(self) -> None:
        from selion.distributed.worker import _set_worker

        _set_worker(None)
        self._native.close()


def _page_address(address: str | int | None) -> str | None:
    """``":8787"``, a port, or ``"host:port"`` as host and port; None for no page."""
    if address is None or address is False:
        return None
    host, _, port = str(address).rpartition(":")
    if not port.isdigit():
        raise ValueError(f"dashboard_address must be a port or host:port, got {address!r}")
    return f"{host or '127.0.0.1'}:{port}"


def _reachable(link: str, scheduler: str) -> str:
    """A link to a page that is served at all addresses of the scheduler's machine, by one that reaches it."""
    host = scheduler.partition("://")[2].rpartition(":")[0]
    return link.replace("//0.0.0.0:", f"//{host}:").replace("//[::]:", f"//{host}:")


def _bytes(limit, workers: int) -> int:
    """Bytes of a memory limit, of one of so many workers."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if limit is None:
        return 0
    if limit == "auto":
        return total // workers
    if isinstance(limit, float) and limit <= 1:
        return int(total * limit)
    return _selion.parse_bytes(limit) if isinstance(limit, str) else int(limit)
