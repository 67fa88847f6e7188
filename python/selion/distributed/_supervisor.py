"""Looks after workers' processes: starts them, starts them again when they crash, and says how they ended.

Needs the standard library and the native module alone, so that it costs little: `selion worker` runs this file as a
script, in a process that never imports NumPy.
"""

from __future__ import annotations

import collections
import contextlib
import importlib.util
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import uuid

__all__ = ["Supervised"]

_START = "from selion.distributed.worker import main; main()"
_LINES_MAX = 20  # of what a worker said last
_STEADY = 10.0  # seconds after which a worker counts as one that can run
_PAUSE_MAX = 30.0
GAVE_UP = 3  # exit code of a worker that has no scheduler: another one would not have it either


def _native():
    """The native module, without the package around it."""
    if "selion._selion" in sys.modules:
        return sys.modules["selion._selion"]
    path = next(pathlib.Path(__file__).parents[1].glob("_selion*.so"))
    spec = importlib.util.spec_from_file_location("selion._selion", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["selion._selion"] = module
    spec.loader.exec_module(module)
    return module


class Supervised:
    """A worker in a process of its own, which ends when this one does, and is replaced when it crashes.

    Parameters
    ----------
    options : dict
        Of the worker, as `selion.distributed.worker.run_worker` takes them.
    restart : bool
        Whether it is replaced.
    """

    def __init__(self, options: dict, restart: bool = True):
        self._options = options
        self._restart = restart
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self.has_joined = False  # set by who sees it among the scheduler's workers
        self.exit_code = 0
        self.restarts = 0
        self._start()
        self._thread = threading.Thread(target=self._look_after, daemon=True, name=f"selion-worker-{options['name']}")
        self._thread.start()

    def _start(self) -> None:
        self._instance = uuid.uuid4().hex
        self._since = time.monotonic()
        self._lines = collections.deque(maxlen=_LINES_MAX)
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        path = self._options.get("path", sys.path)
        self._process = subprocess.Popen(
            [sys.executable, "-c", f"import sys; sys.path[:] = {path!r}; {_START}"],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env=threads | os.environ,
        )
        self.pid = self._process.pid
        self._reader = threading.Thread(target=self._read, args=(self._process.stderr, self._lines), daemon=True)
        self._reader.start()
        with contextlib.suppress(
            OSError, ValueError
        ):  # it has ended already, or is to: the one who looks after it sees that
            self._process.stdin.write(json.dumps({**self._options, "instance": self._instance}).encode() + b"\n")
            self._process.stdin.flush()

    @staticmethod
    def _read(stream, lines) -> None:
        """Passes on what a worker says, and remembers the end of it."""
        with stream, contextlib.suppress(OSError, ValueError):
            for line in stream:
                lines.append(line)
                os.write(2, line)

    def _look_after(self) -> None:
        pause = 0.0
        while True:
            code = self._process.wait()
            self.exit_code = code
            with contextlib.suppress(OSError):
                self._process.stdin.close()
            if code == 0 or self._ending.is_set():
                return
            self._reader.join(0.2)  # what it has started may still hold the pipe
            cause = self._cause(code)
            self._report(cause)
            if not self._restart or code == GAVE_UP:
                return
            steady = time.monotonic() - self._since > _STEADY
            pause = 0.0 if steady else min(max(0.1, 2 * pause), _PAUSE_MAX)
            os.write(2, f"selion worker {self._options['name']}: {cause}\nit is replaced in {pause} s\n".encode())
            if self._ending.wait(pause):
                return
            with self._lock:
                if not self._restart:
                    return
                self.restarts += 1
                self.has_joined = False
                self._start()
            if self._ending.is_set():  # said meanwhile
                self._kill()

    def _cause(self, code: int) -> str:
        if code < 0:
            try:
                name = f" ({signal.Signals(-code).name})"
            except ValueError:
                name = ""
            cause = f"its process {self.pid} was killed by signal {-code}{name}"
        else:
            cause = f"its process {self.pid} ended with exit code {code}"
        said = b"".join(self._lines).decode(errors="replace").strip()
        return f"{cause}; the last it said:\n{said}\n" if said else cause

    def _report(self, cause: str) -> None:
        options = self._options
        with contextlib.suppress(Exception):  # without a scheduler nobody wants to know
            _native().report_death(
                options["scheduler"], options["token"], self._instance, cause, _as_tuple(options.get("tls"))
            )

    def _kill(self) -> None:
        with contextlib.suppress(OSError):
            self._process.kill()

    def is_alive(self) -> bool:
        """Whether it runs, or is about to again."""
        return self._thread.is_alive()

    def forgo(self) -> bool:
        """Has it not be replaced, now that it has left; whether it is not already."""
        with self._lock:
            if not self.has_joined:
                return False
            self._restart = False
            return True

    def retire(self) -> None:
        """Has it end once its values are elsewhere; does not wait for that."""
        self._ending.set()
        with contextlib.suppress(OSError):
            self._process.send_signal(signal.SIGTERM)

    def end(self) -> None:
        """Ends it, and waits for that."""
        self._ending.set()
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._thread.join(2)
        if self._thread.is_alive():
            self._kill()
            self._thread.join()

    def join(self, timeout: float | None = None) -> None:
        """Waits for its end."""
        self._thread.join(timeout)


def _as_tuple(tls):
    return None if tls is None else tuple(tls)


def main() -> int:
    """Looks after the workers whose options come through the descriptor that is the only argument."""
    with os.fdopen(int(sys.argv[1]), "rb") as file:
        options = json.load(file)
    count = options.pop("nprocs", 1)
    names = [options["name"]] if count == 1 else [f"{options['name']}-{k}" for k in range(count)]
    signals = []
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda signum, frame: signals.append(signum))
    workers = [Supervised({**options, "name": name}) for name in names]
    asked = 0
    while any(worker.is_alive() for worker in workers):
        if len(signals) > asked:
            asked = len(signals)
            for worker in workers:
                worker.retire()  # the second time it ends at once
        workers[0].join(0.1) if workers[0].is_alive() else time.sleep(0.1)
    return max(abs(worker.exit_code) for worker in workers)


if __name__ == "__main__":
    sys.exit(main())
