"""The command line: ``selion scheduler``, ``selion worker``, and what starts and examines a cluster by hand."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import sys

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["gateway"]:
        return _gateway(arguments[1:])
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except (OSError, ValueError) as error:
        print(f"selion {options.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    from selion import __version__

    parser = argparse.ArgumentParser("selion", description="Clusters of selion.")
    parser.add_argument("--version", action="version", version=f"selion {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    commands.add_parser("gateway", help="serve clusters to others (a program of its own)", add_help=False)

    scheduler = commands.add_parser("scheduler", help="run a scheduler")
    scheduler.set_defaults(run=_scheduler)
    scheduler.add_argument("--host", default="127.0.0.1", help="where to listen (default: this machine only)")
    scheduler.add_argument("--port", type=int, default=8786, help="0 for any that is free (default: 8786)")
    scheduler.add_argument("--scheduler-file", metavar="FILE", help="write address and token there, for this user only")
    scheduler.add_argument("--dashboard-address", default=":8787", metavar="[HOST]:PORT", help="of the status page")
    scheduler.add_argument("--no-dashboard", action="store_true", help="serve no status page")
    scheduler.add_argument("--allowed-failures", type=int, default=3, metavar="N", help="workers that a task may kill")
    scheduler.add_argument("--worker-ttl", default="30 s", metavar="TIME", help="silence after which a worker is dead")
    _add_security(scheduler)

    worker = commands.add_parser("worker", help="run a worker, or several")
    worker.set_defaults(run=_worker)
    worker.add_argument("scheduler", nargs="?", help="its address, such as tcp://127.0.0.1:8786")
    worker.add_argument("--scheduler-file", metavar="FILE", help="what a scheduler has written for its workers")
    worker.add_argument("--host", help="where to listen (default: where the scheduler is reached from)")
    worker.add_argument("--nthreads", type=int, metavar="N", help="tasks at once (default: cores, divided by nprocs)")
    worker.add_argument("--nprocs", type=int, default=1, metavar="N", help="processes (default: 1)")
    worker.add_argument("--memory-limit", default="auto", metavar="BYTES", help='of each process, such as "4GiB"')
    worker.add_argument("--resources", default="", metavar="NAME=N,…", help="what each process has in limited number")
    worker.add_argument("--lifetime", metavar="TIME", help='end after that, such as "1h", values moved out before')
    worker.add_argument("--name", help="for people, and for tasks that want this worker")
    worker.add_argument(
        "--death-timeout", default="5m", metavar="TIME", help="end if no scheduler is found for so long"
    )
    worker.add_argument("--no-supervisor", action="store_true", help="no process that replaces it when it crashes")
    _add_security(worker)

    doctor = commands.add_parser("doctor", help="look for what keeps a cluster from working")
    doctor.set_defaults(run=_doctor)
    doctor.add_argument("scheduler", nargs="?", help="its address (default: the setting, or tcp://127.0.0.1:8786)")
    _add_security(doctor)
    return parser


def _add_security(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--token-file", metavar="FILE", help="the secret that all processes of the cluster know")
    parser.add_argument("--tls-ca-file", metavar="FILE", help="certificate of the authority, in PEM form")
    parser.add_argument("--tls-cert", metavar="FILE", help="certificate of this process")
    parser.add_argument("--tls-key", metavar="FILE", help="its private key")
    parser.add_argument("--insecure", action="store_true", help="listen beyond this machine without TLS")


def _security(options, role: str):
    from selion.distributed.security import Security

    parts = {f"tls_{role}_cert": options.tls_cert, f"tls_{role}_key": options.tls_key}
    return Security(tls_ca_file=options.tls_ca_file, **parts)._pem(role)


def _read_token(path: str) -> str:
    with open(path) as file:
        return file.read().strip()


def _write_private(path: str, text: str) -> None:
    """Writes a file that this user alone can read, and that is whole whenever it is there."""
    part = f"{path}.{os.getpid()}.part"
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    os.replace(part, path)


def _scheduler(options) -> int:
    from selion import _selion, config
    from selion.distributed.cluster import _page_address, _reachable
    from selion.distributed.future import parse_timeout

    token = None
    if options.token_file and os.path.exists(options.token_file):
        token = _read_token(options.token_file)
    token = token or config.get("token", None) or _selion.new_token()
    if options.token_file and not os.path.exists(options.token_file):
        _write_private(options.token_file, token + "\n")
    left = []

    def ready(address: str, page: str) -> None:
        scheme, _, place = address.partition("://")
        host, _, port = place.rpartition(":")
        left.append(_selion.leave_token(token, int(port)))
        if host in ("0.0.0.0", "[::]"):
            address = f"{scheme}://{_outward_host()}:{port}"
        if options.scheduler_file:
            _write_private(options.scheduler_file, json.dumps({"address": address, "token": token}) + "\n")
        print(f"selion scheduler at {address}", flush=True)
        if page:
            print(f"status page at {_reachable(page, address)}", flush=True)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        _selion.run_scheduler(
            f"{_bracketed(options.host)}:{options.port}",
            token,
            ready,
            options.allowed_failures,
            parse_timeout(options.worker_ttl),
            tls=_security(options, "scheduler"),
            insecure=options.insecure,
            dashboard=None if options.no_dashboard else _page_address(options.dashboard_address),
        )
    finally:
        left.clear()
        if options.scheduler_file and os.path.exists(options.scheduler_file):
            os.remove(options.scheduler_file)
    return 0


def _worker(options) -> int:
    from selion import config
    from selion.distributed.cluster import _bytes
    from selion.distributed.future import parse_timeout

    address, token = options.scheduler or config.get("scheduler_address", None), None
    if options.scheduler_file:
        with open(options.scheduler_file) as file:
            known = json.load(file)
        address, token = known["address"], known.get("token")
    if address is None:
        raise ValueError("which scheduler? Give its address, or --scheduler-file")
    if options.nprocs < 1:
        raise ValueError(f"--nprocs must be at least 1, got {options.nprocs}")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    resources = _resources(options.resources)
    settings = {
        "scheduler": address,
        "token": _token(options, address, token),
        "listen": f"{_bracketed(options.host or _host_towards(address))}:0",
        "name": options.name or f"{socket.gethostname()}-{os.getpid()}",
        "nthreads": options.nthreads or max(1, cores // options.nprocs),
        "memory_limit": _bytes(options.memory_limit, options.nprocs),
        "resources": resources,
        "patience": parse_timeout(options.death_timeout),
        "lifetime": parse_timeout(options.lifetime) if options.lifetime else None,
        "tls": _security(options, "worker"),
        "insecure": options.insecure,
        "path": [os.getcwd() if entry == "" else entry for entry in sys.path],
    }
    if options.no_supervisor:
        from selion.distributed.worker import run_worker

        if options.nprocs > 1:
            raise ValueError("several processes need the supervisor")
        return run_worker(settings)
    return _become_supervisor({**settings, "nprocs": options.nprocs})


def _doctor(options) -> int:
    from selion import config
    from selion.distributed._doctor import Doctor
    from selion.distributed.security import Security

    address = options.scheduler or config.get("scheduler_address", None) or "tcp://127.0.0.1:8786"
    token = _read_token(options.token_file) if options.token_file else None
    parts = {"tls_client_cert": options.tls_cert, "tls_client_key": options.tls_key}
    return 0 if Doctor(address, token, Security(tls_ca_file=options.tls_ca_file, **parts)).examine() else 1


def _become_supervisor(settings: dict) -> int:
    """Replaces this process by one that holds no more than it takes to look after others."""
    from selion.distributed import _supervisor

    reading, writing = os.pipe()
    os.set_inheritable(reading, True)
    # A pipe takes so much without a reader: certificates and paths are far smaller.
    os.write(writing, json.dumps(settings).encode())
    os.close(writing)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-P", _supervisor.__file__, str(reading)])
    return 1


def _token(options, address: str, known: str | None) -> str:
    from selion import _selion, config

    token = _read_token(options.token_file) if options.token_file else None
    token = token or known or config.get("token", None) or _selion.find_token(address)
    if not token:
        raise ValueError(f"no token for {address}: give --token-file, --scheduler-file, or SELION_TOKEN")
    return token


def _resources(text: str) -> dict[str, float]:
    """``"GPU=2, licence=1"`` as numbers."""
    resources = {}
    for part in filter(None, (part.strip() for part in text.replace(",", " ").split())):
        name, _, amount = part.partition("=")
        try:
            resources[name] = float(amount)
        except ValueError:
            raise ValueError(f"--resources takes NAME=NUMBER, not {part!r}") from None
    return resources


def _split(address: str) -> tuple[str, int]:
    """Host and port of an address."""
    place = address.partition("://")[2] or address
    host, _, port = place.rstrip("/").rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"{address!r} is not an address of the form tcp://host:port or tls://host:port")
    return host.strip("[]"), int(port)


def _host_towards(address: str) -> str:
    """The address of this machine on the way to a scheduler; nothing is sent."""
    host, port = _split(address)
    family, kind, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind) as probe:
        probe.connect(place)
        return probe.getsockname()[0]


def _outward_host() -> str:
    """An address of this machine that others may know it by."""
    try:
        return socket.gethostbyname(socket.getfqdn())
    except OSError:
        return socket.gethostname()


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _gateway(arguments: list[str]) -> int:
    """Hands over to the gateway, which is a program of its own."""
    beside = os.path.join(os.path.dirname(sys.executable), "selion-gateway")
    program = beside if os.path.exists(beside) else shutil.which("selion-gateway")
    if program is None:
        print("selion gateway: the program selion-gateway is not installed", file=sys.stderr)
        return 1
    os.execv(program, [program, *arguments])
    return 1
