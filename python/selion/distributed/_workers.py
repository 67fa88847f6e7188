"""What a client can ask of workers, and of the scheduler about them."""

from __future__ import annotations

import functools
import inspect
import itertools
import os
import time
from collections.abc import Callable, Iterable

from selion import _selion
from selion.distributed.future import futures_of, parse_timeout
from selion.distributed.worker import _receive_file, _stacks, _versions, get_worker

__all__ = ["Workers"]


class Workers:
    """The part of `Client` that is about workers."""

    def _places(self, workers=None) -> list[tuple[int, str]]:
        """Numbers and addresses of workers that are named, or of all."""
        info = self._native.info()["workers"]
        if workers is None:
            return [(worker["id"], address) for address, worker in info.items()]
        names = [workers] if isinstance(workers, str) else [str(worker) for worker in workers]
        found = []
        for address, worker in info.items():
            host = address.rpartition("://")[2].rpartition(":")[0]
            if any(name in (address, worker["name"], host, address.rpartition("://")[2]) for name in names):
                found.append((worker["id"], address))
        if not found:
            raise ValueError(f"no worker is called {' or '.join(names)}")
        return found

    def run(
        self,
        function: Callable,
        *args,
        workers=None,
        wait: bool = True,
        nanny: bool = False,
        on_error: str = "raise",
        **kwargs,
    ):
        """Calls a function on each worker at once, outside of all tasks.

        Parameters
        ----------
        workers : str or list of str, optional
        on_error : {"raise", "return", "ignore"}

        Returns
        -------
        dict
            From addresses to what the function has returned.
        """
        if on_error not in ("raise", "return", "ignore"):
            raise ValueError(f"on_error must be 'raise', 'return', or 'ignore'. Got {on_error!r}")
        addresses = [address for _, address in self._places(workers)]
        results = self._native.run(self._function(_with_worker(function)), args, kwargs or None, addresses)
        values = {}
        for address, value in results.items():
            if isinstance(value, _selion.RemoteError):
                if on_error == "raise":
                    raise value.exception
                if on_error == "return":
                    values[address] = value.exception
            else:
                values[address] = value
        return values

    def run_on_scheduler(self, function: Callable, *args, **kwargs):
        """Not offered: the scheduler runs no Python.

        Raises
        ------
        NotImplementedError
        """
        raise NotImplementedError("run_on_scheduler: the scheduler of selion runs no Python; use Client.run")

    def scheduler_info(self, n_workers: int = -1, **kwargs) -> dict:
        """What the scheduler says of itself and its workers."""
        info = self._native.info()
        info["address"], info["type"] = self.scheduler_address, "Scheduler"
        if n_workers >= 0:
            info["workers"] = dict(itertools.islice(info["workers"].items(), n_workers))
        return info

    def nthreads(self, workers=None, **kwargs) -> dict[str, int]:
        """Threads of each worker, or of those that are named."""
        info = self._native.info()["workers"]
        return {address: info[address]["nthreads"] for _, address in self._places(workers) if address in info}

    ncores = nthreads

    def _contents(self, workers=None) -> list[tuple[str, list[str], list[str]]]:
        """For each worker its address, the keys that it holds, and those that it has to do."""
        names, places = self._native.names(), dict(self._places(workers))

        def texts(keys):
            return [names.get(key) or f"{key:032x}" for key in keys]

        contents = self._native.contents()
        return [(places[number], texts(holds), texts(tasks)) for number, holds, tasks in contents if number in places]

    def who_has(self, futures=None, **kwargs) -> dict[str, tuple[str, ...]]:
        """From keys, of the given futures or all, to the addresses of the workers that hold their values."""
        found = None if futures is None else [future.key for future in futures_of([futures])]
        holders: dict[str, list[str]] = {key: [] for key in found or ()}
        for address, holds, _ in self._contents():
            for key in holds:
                if found is None or key in holders:
                    holders.setdefault(key, []).append(address)
        return {key: tuple(addresses) for key, addresses in holders.items()}

    def has_what(self, workers=None, **kwargs) -> dict[str, tuple[str, ...]]:
        """From addresses of workers to the keys of the values they hold."""
        return {address: tuple(holds) for address, holds, _ in self._contents(workers)}

    def processing(self, workers=None) -> dict[str, tuple[str, ...]]:
        """From addresses of workers to the keys of the tasks that they have to do."""
        return {address: tuple(tasks) for address, _, tasks in self._contents(workers)}

    def call_stack(self, futures=None, keys=None) -> dict[str, dict[str, tuple[str, ...]]]:
        """Where the threads that run tasks are now: of all workers, or of those that have one of the given tasks."""
        wanted = {future.key for future in futures_of([futures])} | set(keys or ())
        places = [address for address, _, tasks in self._contents() if not wanted or wanted & set(tasks)]
        return (
            {address: stacks for address, stacks in self.run(_stacks, workers=places).items() if stacks}
            if places
            else {}
        )

    def wait_for_workers(self, n_workers: int, timeout=None) -> None:
        """Waits until there are so many workers.

        Raises
        ------
        TimeoutError
            If that takes longer.
        """
        if not isinstance(n_workers, int) or n_workers < 1:
            raise ValueError(f"`n_workers` must be a positive integer. Instead got {n_workers}.")
        seconds = parse_timeout(timeout)
        until = None if seconds is None else time.monotonic() + seconds
        while len(self._native.workers()) < n_workers:
            if until is not None and time.monotonic() > until:
                raise TimeoutError(f"Only {len(self._native.workers())}/{n_workers} workers arrived after {timeout}")
            time.sleep(0.002)

    def retire_workers(self, workers=None, close_workers: bool = True, **kwargs) -> None:
        """Ends workers; the values that only they hold go to others first."""
        places = self._places(workers)
        self._native.retire([number for number, _ in places])
        if hasattr(self.cluster, "_leave"):
            info = self._native.info()["workers"]
            self.cluster._leave([info[address]["name"] for _, address in places if address in info])

    def replicate(self, futures, n: int | None = None, workers=None, branching_factor: int = 2, **kwargs) -> None:
        """Has so many workers (all, without ``n``) hold the values of futures."""
        found = futures_of([futures])
        self._native.wait(found, len(found))
        self._native.replicate(found, n or 0, [number for number, _ in self._places(workers)] if workers else [])

    def restart(self, timeout=None, wait_for_workers: bool = True) -> None:
        """Forgets all tasks, and replaces the workers of a cluster that this client has."""
        self._native.cancel_all("the cluster was restarted")
        if self.cluster is not None and hasattr(self.cluster, "_restart"):
            self.cluster._restart()
            if wait_for_workers:
                self.wait_for_workers(len(self.cluster.workers), timeout or 30)

    def upload_file(self, filename: str, load: bool = True) -> dict:
        """Copies a module to all workers that are there, and imports it."""
        with open(filename, "rb") as file:
            return self.run(_receive_file, os.path.basename(filename), file.read(), load)

    def get_versions(self, check: bool = False, packages: Iterable[str] | None = None) -> dict:
        """Versions of Python and packages here and on the workers.

        Raises
        ------
        ValueError
            With ``check``, if one that matters differs; names it.
        """
        packages = list(packages or ())
        versions = {"client": _versions(packages), "workers": self.run(_versions, packages)}
        if check:
            here = versions["client"]["packages"]
            for address, there in versions["workers"].items():
                for name, version in there["packages"].items():
                    if here.get(name) != version:
                        raise ValueError(f"{name} is {here.get(name)} here and {version} on worker {address}")
        return versions


def _with_worker(function: Callable) -> Callable:
    """The function with the worker as an argument, if it has a parameter for that."""
    try:
        wants = "dask_worker" in inspect.signature(function).parameters
    except (TypeError, ValueError):
        wants = False
    if not wants:
        return function
    return functools.partial(_call_with_worker, function)


def _call_with_worker(function: Callable, *args, **kwargs):
    return function(*args, dask_worker=get_worker(), **kwargs)
