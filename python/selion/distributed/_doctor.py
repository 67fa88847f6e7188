"""``selion doctor``: looks for what keeps a cluster from working, and says what to change."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import time
from dataclasses import dataclass, field

from selion import _selion, config
from selion.distributed.security import Security

__all__ = ["Doctor"]

_CLOCK_MAX = 1.0  # seconds of difference that matter to nobody
_PATIENCE = 5.0


@dataclass
class Doctor:
    """Examines this machine, and the cluster of a scheduler.

    Parameters
    ----------
    address : str
        Of the scheduler.
    token : str, optional
    security : Security
    """

    address: str
    token: str | None = None
    security: Security = field(default_factory=Security)
    findings: list[tuple[bool, str, str]] = field(default_factory=list)

    def examine(self) -> bool:
        """Prints what it finds, and returns whether all is well."""
        self._machine()
        if self._reach():
            self._cluster()
        for good, what, advice in self.findings:
            print(f"{'ok ' if good else 'BAD'}  {what}" + (f"\n     → {advice}" if advice and not good else ""))
        return all(good for good, _, _ in self.findings)

    def _note(self, good: bool, what: str, advice: str = "") -> bool:
        self.findings.append((good, what, advice))
        return good

    def _machine(self) -> None:
        import resource

        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._note(
            files < 0 or files >= 1024,
            f"this process may have {files} files and connections open",
            "raise the limit (ulimit -n 65536): each worker, client and transfer takes one",
        )
        folder = config.get("temporary_directory", None) or tempfile.gettempdir()
        try:
            free = shutil.disk_usage(folder).free
            self._note(
                free > 2**30 and os.access(folder, os.W_OK),
                f"{folder}, where values go that do not fit in memory, has {free / 2**30:.1f} GiB free",
                "name a larger folder: the setting temporary_directory, SELION_TEMPORARY_DIRECTORY",
            )
        except OSError as error:
            self._note(False, f"the folder for values that do not fit in memory: {error}", "make it, or name another")

    def _reach(self) -> bool:
        """Whether something listens at the address."""
        from selion.cli import _split

        try:
            host, port = _split(self.address)
        except ValueError as error:
            return self._note(False, str(error), "write it as the scheduler prints it, such as tcp://10.0.0.5:8786")
        try:
            places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            return self._note(False, f"{host} has no address: {error}", "check the name, or use the number")
        since = time.monotonic()
        try:
            with socket.create_connection((host, port), _PATIENCE):
                took = time.monotonic() - since
            return self._note(True, f"{host} is {places[0][4][0]}, port {port} answers in {took * 1e3:.1f} ms")
        except ConnectionRefusedError:
            advice = "start one there (selion scheduler), or check the port"
            if host not in ("127.0.0.1", "localhost", "::1"):
                advice += "; one that listens on 127.0.0.1 only is not reached from elsewhere: selion scheduler --host"
            return self._note(False, f"nothing listens on port {port} of {host}", advice)
        except OSError as error:
            advice = f"a firewall may drop what goes to port {port}, or the machine is not on this network"
            return self._note(False, f"{host}:{port} is not reached: {error}", advice)

    def _cluster(self) -> None:
        from selion.distributed.client import Client

        token, whence = self.token, "given"
        if token is None:
            token, whence = config.get("token", None), "the setting token"
        if token is None:
            token, whence = _selion.find_token(self.address), "the file that a scheduler of this user has left"
        self._note(
            token is not None,
            f"a token is there: {whence}" if token else "there is no token for this scheduler",
            "copy the scheduler's: --token-file, or SELION_TOKEN",
        )
        try:
            client = Client(
                self.address, timeout=_PATIENCE, token=token or "", security=self.security, set_as_default=False
            )
        except PermissionError as error:
            self._note(False, str(error), _advice(str(error)))
            return
        except OSError as error:
            advice = "something listens there, which is no scheduler of selion, or one that hangs"
            self._note(False, f"no scheduler: {error}", advice)
            return
        with client:
            self._note(True, f"the scheduler lets this client in, {_encryption(self.address)}")
            self._look_at_scheduler(client)
            self._look_at_workers(client)

    def _look_at_scheduler(self, client) -> None:
        before = time.time()
        info = client._native.info()
        after = time.time()
        here = _selion.__version__
        self._note(
            info["version"] == here,
            f"the scheduler is of version {info['version']}, this client of {here}",
            "install the same version of selion on both",
        )
        off = _difference(info["clock"], before, after)
        self._note(off < _CLOCK_MAX, f"its clock differs by {off:.3f} s", "synchronise the clocks (NTP)")
        page = client.dashboard_link
        self._note(True, f"status page: {page}" if page else "it has no status page")

    def _look_at_workers(self, client) -> None:
        from selion.distributed.worker import _versions

        workers = client._native.info()["workers"]
        what = "start some: selion worker " + self.address
        self._note(bool(workers), f"{len(workers)} workers", what)
        ours = _versions([])["packages"]
        for address, known in workers.items():
            name = f"worker {known['name']} at {address}"
            try:
                before = time.time()
                theirs, clock = client.run(_state, workers=[address])[address]
                after = time.time()
            except Exception as error:
                advice = "this client must reach the workers' ports; a worker names the interface with --host"
                self._note(False, f"{name}: {error}", advice)
                continue
            other = {package for package in ours if ours[package] != theirs.get(package)}
            self._note(
                not other,
                f"{name} answers"
                + "".join(f"; {package} is {theirs.get(package)}, here {ours[package]}" for package in sorted(other)),
                "install the same versions of these packages on both",
            )
            off = _difference(clock, before, after)
            if off >= _CLOCK_MAX:
                self._note(False, f"{name}: its clock differs by {off:.1f} s", "synchronise the clocks (NTP)")
            if known["paused"]:
                advice = "give it more memory (--memory-limit), or more workers"
                self._note(False, f"{name} is paused: it is short of memory", advice)
            if known["last_seen"] > 5:
                advice = "its machine may be overloaded, or its network broken"
                self._note(False, f"{name} was not heard of for {known['last_seen']:.0f} s", advice)


def _state() -> tuple[dict, float]:
    """What a worker says of itself."""
    from selion.distributed.worker import _versions

    return _versions([])["packages"], time.time()


def _difference(clock: float, before: float, after: float) -> float:
    """Seconds by which a clock, read between two moments here, differs at least."""
    return max(0.0, before - clock, clock - after)


def _encryption(address: str) -> str:
    return "encrypted" if address.startswith("tls://") else "not encrypted"


def _advice(said: str) -> str:
    if "token" in said:
        return "copy the scheduler's token: --token-file, or SELION_TOKEN"
    if "version" in said:
        return "install the same version of selion on both"
    if "certificate" in said or "TLS" in said:
        return (
            "name certificates of the scheduler's authority: --tls-ca-file, --tls-cert, --tls-key; and tls:// or tcp://"
        )
    return "something other than selion listens there: check the port"
