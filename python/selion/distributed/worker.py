"""What functions can know of the worker they run on, and the life of a worker's process."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import threading
from dataclasses import dataclass, field

from selion import _selion

__all__ = ["Worker", "get_worker", "rejoin", "secede", "worker_client"]


@dataclass(frozen=True)
class Worker:
    """The worker that a function runs on.

    Attributes
    ----------
    address, name : str
    nthreads : int
    scheduler : str
        The address of its scheduler.
    """

    address: str
    name: str
    nthreads: int
    scheduler: str
    token: str = field(repr=False)
    tls: tuple[str, str, str] | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        return f"<Worker {self.name!r}, {self.address}, threads: {self.nthreads}>"


_here: Worker | None = None


def _this_worker() -> Worker | None:
    return _here


def _set_worker(worker: Worker | None) -> None:
    global _here
    _here = worker


def get_worker() -> Worker:
    """The worker that runs this function.

    Raises
    ------
    ValueError
        If this process has none.
    """
    if _here is None:
        raise ValueError("No worker found")
    return _here


def secede() -> None:
    """Gives this task's place on its worker to others: for tasks that wait for long."""
    _selion.secede()


def rejoin() -> None:
    """Takes a place on the worker again."""
    _selion.rejoin()


@contextlib.contextmanager
def worker_client(timeout=None, separate_thread: bool = True):
    """The client of the cluster that runs this task; others take the task's place meanwhile."""
    from selion.distributed.client import get_client

    seceded = separate_thread and _selion.secede()
    try:
        yield get_client()
    finally:
        if seceded:
            _selion.rejoin()


def _stacks() -> dict[str, tuple[str, ...]]:
    import traceback

    # Threads that run tasks are the native module's own: Python has no names for them.
    named = {thread.ident for thread in threading.enumerate() if not thread.name.startswith("Dummy")}
    return {
        str(ident): tuple(traceback.format_stack(frame))
        for ident, frame in sys._current_frames().items()
        if ident not in named and ident != threading.get_ident()
    }


def _receive_file(name: str, data: bytes, load: bool) -> str:
    import tempfile

    folder = os.path.join(tempfile.gettempdir(), f"selion-files-{os.getpid()}")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    path = os.path.join(folder, os.path.basename(name))
    with open(path, "wb") as file:
        file.write(data)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    if name.endswith((".zip", ".egg")) and path not in sys.path:
        sys.path.insert(0, path)
    if load and name.endswith(".py"):
        module = name.removesuffix(".py")
        importlib.invalidate_caches()
        if module in sys.modules:
            importlib.reload(sys.modules[module])
        else:
            importlib.import_module(module)
    return path


def _versions(packages: list[str]) -> dict:
    import platform
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": ".".join(map(str, sys.version_info[:2]))}
    for name in ("selion", "numpy", "cloudpickle", *packages):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            module = sys.modules.get(name)
            found[name] = getattr(module, "__version__", None)
    return {"host": {"python": platform.python_version(), "OS": platform.system()}, "packages": found}


def run_worker(options: dict) -> int:
    """Runs a worker on threads of this process until it ends; the exit code.

    SIGTERM has it end after its values have moved to other workers, a second one at once; so does the end of its
    lifetime.
    """
    import signal

    from selion.distributed._supervisor import GAVE_UP

    tls = options.get("tls") and tuple(options["tls"])
    native = _selion.ClusterWorker(
        options["scheduler"],
        options["token"],
        options.get("listen", "127.0.0.1:0"),
        options["name"],
        options["nthreads"],
        options.get("memory_limit", 0),
        list(options.get("resources", {}).items()),
        options.get("patience", 300.0),
        options.get("instance", ""),
        tls,
        options.get("insecure", False),
    )
    _set_worker(
        Worker(native.address, options["name"], options["nthreads"], options["scheduler"], options["token"], tls)
    )
    asked = False

    def retire(*_):
        nonlocal asked
        if asked:
            native.close()
            return
        asked = True
        native.retire()
        _later(options.get("grace", 30.0), native.close)

    signal.signal(signal.SIGTERM, retire)
    if lifetime := options.get("lifetime"):
        margin = min(60.0, 0.1 * lifetime)
        _later(lifetime - margin, native.retire)
        _later(lifetime, native.close)
    try:
        native.join()
    except ConnectionError as error:
        print(f"selion worker {options['name']}: no scheduler at {options['scheduler']}: {error}", file=sys.stderr)
        return GAVE_UP
    return 0


def _later(seconds: float, function) -> None:
    timer = threading.Timer(seconds, function)
    timer.daemon = True
    timer.start()


def main() -> None:
    """The life of a worker's process: its options come by the standard input, and it ends when that does."""
    import signal

    options = json.loads(sys.stdin.readline())
    sys.path[:] = options.get("path", sys.path)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal interrupts the client, which knows what to do

    def end_with_parent():
        sys.stdin.read()
        os._exit(0)

    threading.Thread(target=end_with_parent, daemon=True, name="selion-watch").start()
    code = run_worker(options)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # whatever threads a task has left behind


if __name__ == "__main__":
    main()
