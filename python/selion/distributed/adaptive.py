"""Starting and ending workers as there is work."""

from __future__ import annotations

import logging
import math
import threading

from selion.distributed.future import parse_timeout

__all__ = ["Adaptive"]

_log = logging.getLogger("selion.distributed.adaptive")


class Adaptive:
    """Decides every ``interval`` how many workers a cluster is to have; see `LocalCluster.adapt`."""

    def __init__(self, cluster, minimum, maximum, interval, target_duration, wait_count):
        if maximum is not None and minimum > maximum:
            raise ValueError(f"minimum must be <= maximum, got {minimum} and {maximum}")
        self._cluster = cluster
        self.minimum = minimum
        self.maximum = math.inf if maximum is None else maximum
        self._interval = parse_timeout(interval)
        self._target = parse_timeout(target_duration)
        self._wait_count = wait_count
        self._fewer = 0
        self._stopped = threading.Event()
        self.log: list[str] = []
        self._thread = threading.Thread(target=self._run, daemon=True, name="selion-adaptive")
        self._thread.start()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self.decide()
            except (OSError, RuntimeError) as error:
                _log.warning("adaptive scaling: %s", error)
            self._stopped.wait(self._interval)

    def target(self, info: dict) -> tuple[int, str]:
        """How many workers there should be, and why."""
        workers = info["workers"].values()
        threads = max((worker["nthreads"] for worker in workers), default=self._cluster._threads)
        work = info["queued"] + info["processing"]
        by_time = math.ceil(info["expected_seconds"] / self._target / threads)
        wanted = min(by_time, math.ceil(work / threads))
        reason = f"{work} tasks of about {info['expected_seconds']:.1f} s"
        if work and wanted < 1:
            wanted = 1
        held = sum(worker["held"] for worker in workers)
        limit = sum(worker["memory_limit"] for worker in workers)
        if limit and held > 0.6 * limit:
            wanted, reason = max(wanted, 2 * len(workers)), "values fill 60 % of the memory"
        if held and wanted < 1:
            wanted, reason = 1, "values are held"
        return int(min(max(wanted, self.minimum), self.maximum)), reason

    def decide(self) -> None:
        """One decision."""
        info = self._cluster._own_client().info()
        wanted, reason = self.target(info)
        present = len(self._cluster.workers)  # those that are starting too
        if wanted > present:
            self._fewer = 0
            self._act(wanted, f"{present} → {wanted} workers: {reason}")
        elif wanted < present:
            self._fewer += 1
            if self._fewer >= self._wait_count or present > self.maximum:
                self._fewer = 0
                self._act(wanted, f"{present} → {wanted} workers: {reason}")
        else:
            self._fewer = 0

    def _act(self, wanted: int, line: str) -> None:
        self.log.append(line)
        _log.info("adaptive scaling: %s", line)
        self._cluster.scale(wanted)

    def stop(self) -> None:
        """Decides no more."""
        self._stopped.set()
