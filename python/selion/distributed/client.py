"""The client of a cluster."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import json
import threading
import uuid
import weakref
from collections.abc import Callable, Iterable, Mapping

from selion import _base, _selion, config
from selion.distributed import _remote
from selion.distributed._callbacks import Callbacks
from selion.distributed._workers import Workers
from selion.distributed.future import Future, futures_of, parse_timeout
from selion.distributed.security import Security

__all__ = ["Client", "default_client", "get_client"]

_current: list[weakref.ref] = []
_by_address: dict[str, Client] = {}
_lock = threading.RLock()


def default_client(c: Client | None = None) -> Client:
    """The client that was made last and is open.

    Raises
    ------
    ValueError
        If there is none.
    """
    if c is not None:
        return c
    with _lock:
        while _current:
            client = _current[-1]()
            if client is not None and client.status != "closed":
                return client
            _current.pop()
    raise ValueError(
        "No clients found\nStart a client and point it to the scheduler address\n"
        "  from selion.distributed import Client\n  client = Client('tcp://ip-addr-of-scheduler:8786')"
    )


def _open_client() -> Client | None:
    """The client that collections are computed on; not within tasks, which compute where they are."""
    from selion.distributed.worker import _this_worker

    try:
        return None if _this_worker() is not None and _selion.in_task() else default_client()
    except ValueError:
        return None


def get_client(address: str | None = None, timeout=None, resolve_address: bool = True) -> Client:
    """The client of this task's cluster, of an address, or the one that was made last.

    Within a task it is a client that all tasks of the worker share.

    Raises
    ------
    ValueError
        If there is none.
    """
    from selion.distributed.worker import _this_worker

    place = _this_worker()
    with _lock:
        if address is None and place is None:
            return default_client()
        for reference in reversed(_current):
            client = reference()
            if client is not None and client.status != "closed" and address in (None, client.scheduler_address):
                return client
        if place is None:
            raise ValueError(f"there is no client of {address}")
        client = _by_address.get(place.scheduler)
        if client is None or client.status == "closed":
            security = None
            if place.tls is not None:
                ca, cert, key = place.tls
                security = Security(tls_ca_file=ca, tls_client_cert=cert, tls_client_key=key)
            client = Client(
                place.scheduler, token=place.token, security=security, set_as_default=False, name="worker-client"
            )
            _by_address[place.scheduler] = client
        return client


class Client(Workers):
    """Submits calls to a cluster, and gathers their values.

    Parameters
    ----------
    address : str or cluster, optional
        Of the scheduler, such as ``"tcp://127.0.0.1:8786"``, or something with a ``scheduler_address``. Without, the
        setting ``scheduler_address`` is looked at, and then a `LocalCluster` is started with the remaining keywords.
    timeout : float or str
        Seconds to wait for the scheduler.
    set_as_default : bool
        Whether collections are computed on this cluster while the client is open.
    token : str, optional
        What the scheduler wants to be told. Without, the setting ``token``, or what a scheduler of this user on this
        machine has left behind.
    security : Security, optional
        Certificates, for a scheduler at a ``tls://`` address; without, those that the settings name.
    scheduler_file : str, optional
        Where a scheduler was told to write its address, with ``--scheduler-file``.
    asynchronous : bool
        Whether methods that wait are coroutines.
    name : str, optional

    Raises
    ------
    OSError
        If there is no scheduler.
    PermissionError
        If the token is wrong.

    Examples
    --------
    >>> from selion.distributed import Client
    >>> with Client(n_workers=1, processes=False) as client:
    ...     total = client.submit(sum, client.map(abs, range(-3, 0)))
    ...     total.result()
    6
    """

    def __init__(
        self,
        address=None,
        timeout="30 s",
        set_as_default: bool = True,
        *,
        token: str | None = None,
        security: Security | bool | None = None,
        scheduler_file: str | None = None,
        asynchronous: bool = False,
        name: str | None = None,
        **kwargs,
    ):
        self.cluster = None
        self._owns_cluster = False
        self.asynchronous = asynchronous
        self.status = "connecting"
        if scheduler_file is not None:
            with open(scheduler_file) as file:
                known = json.load(file)
            address, token = known["address"], token or known.get("token")
        if address is None:
            address = config.get("scheduler_address", None)
        elif kwargs:
            raise ValueError(f"Unexpected keyword arguments: {sorted(kwargs)}")
        if address is None:
            from selion.distributed.cluster import LocalCluster

            self.cluster = LocalCluster(security=security, **kwargs)
            self._owns_cluster = True
        elif not isinstance(address, str):
            if not hasattr(address, "scheduler_address"):
                raise TypeError(f"Scheduler address must be a string or a Cluster instance, got {type(address)}")
            self.cluster = address
        if self.cluster is not None:
            address, token = self.cluster.scheduler_address, token or getattr(self.cluster, "token", None)
            security = security if isinstance(security, Security) else getattr(self.cluster, "security", None)
        if token is None:
            token = config.get("token", None) or _selion.find_token(address) or ""
        self.security = Security.of(security)
        self.name = name or f"client-{uuid.uuid4().hex}"
        self.id = self.name
        self._future = type("Future", (Future,), {"_client": self, "__slots__": (), "__module__": Future.__module__})
        self._kept: dict[str, Future] = {}
        try:
            self._native = _selion.ClusterClient(
                address, token, self.name, parse_timeout(timeout), 300.0, self._future, self.security._pem("client")
            )
        except BaseException:
            if self._owns_cluster:
                self.cluster.close()
            raise
        self._callbacks = Callbacks()
        self._functions: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
        self.status = "running"
        if set_as_default:
            with _lock:
                _current.append(weakref.ref(self))
            _base.open_client = _open_client

    # What it is

    @property
    def scheduler_address(self) -> str:
        """Where the scheduler is."""
        return self._native.address

    @classmethod
    def current(cls, allow_global: bool = True) -> Client:
        """The client of this task's cluster, or the one that was made last and is open.

        Raises
        ------
        ValueError
            If there is none.
        """
        return get_client()

    def __repr__(self) -> str:
        if self.status == "closed":
            return f"<Client: closed, {self.scheduler_address!r}>"
        workers = self._native.info()["workers"].values()
        threads = sum(worker["nthreads"] for worker in workers)
        memory = sum(worker["memory_limit"] for worker in workers)
        text = f"<Client: {self.scheduler_address!r} processes={len(workers)} threads={threads}"
        return text + (f", memory={memory / 2**30:.2f} GiB>" if memory else ">")

    def _repr_html_(self) -> str:
        import html

        info = {"workers": {}} if self.status == "closed" else self._native.info()
        rows = "".join(
            f"<tr><td>{html.escape(address)}</td><td>{worker['nthreads']}</td><td>{worker['processing']}</td>"
            f"<td>{worker['held'] / 2**20:.1f} MiB</td></tr>"
            for address, worker in info["workers"].items()
        )
        return (
            f"<div><h4>Client</h4><p>{html.escape(self.scheduler_address)}, {self.status}</p><table><tr><th>worker</th>"
            f"<th>threads</th><th>tasks</th><th>held</th></tr>{rows}</table></div>"
        )

    # Calls

    def _function(self, function: Callable) -> _selion.RemoteFunction:
        try:
            known = self._functions.get(function)
        except TypeError:  # no hash, or no weak reference: pickled each time
            known = None
        if known is None:
            name = getattr(function, "__name__", None) or getattr(getattr(function, "func", None), "__name__", None)
            name = "lambda" if name == "<lambda>" else name or type(function).__name__
            known = _selion.RemoteFunction(name, _remote.dump_function(function))
            with contextlib.suppress(TypeError):
                self._functions[function] = known
        return known

    def submit(
        self,
        func: Callable,
        *args,
        key: str | None = None,
        workers=None,
        resources: Mapping[str, float] | None = None,
        retries: int | None = None,
        priority: int = 0,
        fifo_timeout="100 ms",
        allow_other_workers: bool = False,
        actor: bool = False,
        actors: bool = False,
        pure: bool = True,
        timeout=None,
        **kwargs,
    ) -> Future:
        """Has ``func(*args, **kwargs)`` called on a worker, and returns at once.

        Futures in lists, tuples, sets and dicts of the arguments are replaced by their values, however deep.

        Parameters
        ----------
        func : callable
        key : str, optional
            A name of the user's own. The same key for another call is an error.
        workers : str or list of str, optional
            Names, hosts or addresses of the workers that may run it.
        resources : dict, optional
            What it takes, while it runs, of what workers have.
        retries : int, optional
            How often it is tried again if it raises.
        priority : int
            Higher runs first, before all that is not started yet.
        allow_other_workers : bool
            Whether ``workers`` is only a wish.
        pure : bool
            Whether equal calls have the same value: they are then called once.
        timeout : float or str, optional
            After which it is stopped.

        Returns
        -------
        Future

        Raises
        ------
        TypeError
            If the function or an argument cannot be pickled; names it.

        Examples
        --------
        >>> from selion.distributed import Client
        >>> with Client(n_workers=1, processes=False) as client:
        ...     x = client.submit(pow, 2, 3)
        ...     client.submit(sum, [x, x]).result()
        16
        """
        if not callable(func):
            raise TypeError("First input to submit must be a callable function")
        rules = _rules(workers, resources, retries, priority, allow_other_workers, actor or actors, timeout)
        if rules and rules.get("actor"):
            raise NotImplementedError("actors are not implemented")
        self._check_open()
        return self._native.submit(
            self._function(func), args, kwargs or None, None if key is None else str(key), pure, rules
        )

    def map(
        self,
        func: Callable,
        *iterables: Iterable,
        key=None,
        workers=None,
        retries: int | None = None,
        resources: Mapping[str, float] | None = None,
        priority: int = 0,
        allow_other_workers: bool = False,
        fifo_timeout="100 ms",
        actor: bool = False,
        actors: bool = False,
        pure: bool = True,
        batch_size: int | None = None,
        timeout=None,
        **kwargs,
    ) -> list[Future]:
        """Has a function called for each element of some iterables, up to the shortest, in one message.

        Parameters are those of `submit`; ``key`` may be one name before all, or one for each call.

        Returns
        -------
        list of Future

        Examples
        --------
        >>> from selion.distributed import Client
        >>> with Client(n_workers=1, processes=False) as client:
        ...     client.gather(client.map(pow, [2, 3], [3, 2]))
        [8, 9]
        """
        if not callable(func):
            raise TypeError("First input to map must be a callable function")
        if any(type(iterable).__name__ == "Queue" and hasattr(iterable, "get") for iterable in iterables):
            raise TypeError("Client.map takes no queues: submit what comes out of one")
        rules = _rules(workers, resources, retries, priority, allow_other_workers, actor or actors, timeout)
        self._check_open()
        calls = zip(*iterables, strict=False)
        keys = None
        if key is not None:
            calls = list(calls)
            keys = [f"{key}-{k}" for k in range(len(calls))] if isinstance(key, str) else [str(k) for k in key]
            if len(keys) != len(calls):
                raise ValueError(f"there are {len(calls)} calls but {len(keys)} keys")
        function = self._function(func)
        if batch_size is None or keys is not None:
            return self._native.map(function, calls, kwargs or None, keys, pure, rules)
        futures: list[Future] = []
        while batch := list(itertools.islice(calls, batch_size)):
            futures += self._native.map(function, batch, kwargs or None, None, pure, rules)
        return futures

    def _check_open(self) -> None:
        if self.status == "closed" or self._native.closed:
            raise ConnectionError("the client is closed")

    # Collections and graphs

    def get(self, dsk, keys, sync: bool = True, **kwargs):
        """Compute keys of a Dask graph on this cluster: ``x.compute(scheduler=client)``.

        Parameters
        ----------
        dsk : dict, HighLevelGraph or Expr
            As Dask's schedulers take them. Needs the package dask.
        keys : key, or list of keys, nested
        sync : bool
            Whether to wait for the values; else their futures are given.

        Returns
        -------
        object
            Values, or futures, in the nesting of the keys.

        Examples
        --------
        >>> from selion.distributed import Client
        >>> with Client(n_workers=1, processes=False) as client:
        ...     client.get({"a": 1, "b": (lambda x: x + 1, "a")}, ["a", ["b"]])
        (1, (2,))
        """
        from selion.dask._get import flatten, nest
        from selion.distributed._graphs import submit_graph

        wanted: list = []
        flatten(keys, wanted)
        futures = submit_graph(self, dsk, wanted)
        if not sync:
            return nest(keys, iter(futures))
        values = self.gather(futures, asynchronous=False)
        return nest(keys, iter(values))

    def compute(self, collections, sync: bool = False, optimize_graph: bool = True, **kwargs):
        """Starts to compute collections on this cluster: arrays, delayed values, bags, and those of Dask.

        Parameters
        ----------
        collections : collection, or list of collections
            What is no collection comes back as it is.
        sync : bool
            Whether to wait for the values.

        Returns
        -------
        Future, or list
            For each collection a future; with ``sync`` its value.

        Examples
        --------
        >>> import selion.array as da
        >>> from selion.distributed import Client
        >>> with Client(n_workers=1, processes=False) as client:
        ...     client.compute(da.arange(10, chunks=5).sum()).result()
        np.int64(45)
        """
        from selion.distributed._graphs import submit_collections

        single = not isinstance(collections, (list, tuple, set, frozenset))
        futures = submit_collections(self, [collections] if single else list(collections))
        results = self.gather(futures) if sync else futures
        return results[0] if single else results

    def persist(self, collections, **kwargs):
        """Not offered yet: `compute` gives futures, which stay on the cluster.

        Raises
        ------
        NotImplementedError
        """
        raise NotImplementedError("Client.persist is not implemented; Client.compute gives futures")

    # Values

    def gather(self, futures, errors: str = "raise", direct: bool | None = None, asynchronous: bool | None = None):
        """Waits for the values of a nest of futures.

        Parameters
        ----------
        futures : Future or nest of lists, tuples, sets and dicts of them
        errors : {"raise", "skip"}
            Whether the first failure is raised, or what failed is left out of lists; in dicts None stands in its place.

        Returns
        -------
        object
            The same nest of values.
        """
        if errors not in ("raise", "skip"):
            raise ValueError(f"errors= must be 'raise' or 'skip', got {errors!r}")
        if self.asynchronous if asynchronous is None else asynchronous:
            return self._async_gather(futures, errors)
        found = futures_of([futures])
        if found:
            self._native.wait(found, len(found))
        return self._gathered(futures, found, errors)

    async def _async_gather(self, futures, errors):
        found = futures_of([futures])
        await self._async_wait(found, len(found), None)
        return await asyncio.to_thread(self._gathered, futures, found, errors)

    def _gathered(self, futures, found, errors):
        values = dict(zip(map(id, found), self._native.gather(found), strict=True))
        if errors == "raise":
            for value in values.values():
                if isinstance(value, _selion.RemoteError):
                    raise value.exception
        return _filled(futures, values)

    async def _async_wait(self, futures, enough, timeout):
        loop = asyncio.get_running_loop()
        done = asyncio.Event()
        left = [enough - sum(future.done() for future in futures)]

        def one_more(_):
            left[0] -= 1
            if left[0] <= 0:
                done.set()

        if left[0] <= 0:
            return
        for future in futures:
            if not future.done():
                self._callbacks.add(future, functools.partial(loop.call_soon_threadsafe, one_more))
        try:
            await asyncio.wait_for(done.wait(), timeout)
        except TimeoutError:
            raise TimeoutError(f"not done after {timeout} s") from None

    def scatter(
        self,
        data,
        workers=None,
        broadcast: bool = False,
        direct: bool | None = None,
        hash: bool = True,
        timeout=None,
        asynchronous: bool | None = None,
    ):
        """Puts values on workers.

        Parameters
        ----------
        data : list, tuple, set, dict, or any other object
            Each element of a container becomes a future; the keys of a dict are the keys of its futures.
        workers : str or list of str, optional
            Where to.
        broadcast : bool
            Whether all workers get all of it.
        hash : bool
            Whether equal values have the same key.

        Returns
        -------
        Future, or the same container of futures
        """
        if isinstance(data, (list, tuple, set, frozenset)):
            items, keys = list(data), None
        elif type(data) is dict:
            items, keys = list(data.values()), [str(key) for key in data]
        else:
            items, keys = [data], None
        if keys is None:
            from selion import tokenize

            tokens = (tokenize(item) if hash else uuid.uuid4().hex for item in items)
            keys = [f"{type(item).__name__}-{token}" for item, token in zip(items, tokens, strict=True)]
        if not self._native.workers():
            self.wait_for_workers(1, timeout=parse_timeout(timeout) or 30)
        places = self._places(workers)
        futures = self._native.scatter(items, keys, places, broadcast)
        if type(data) is dict:
            return dict(zip(data, futures, strict=True))
        if isinstance(data, (list, tuple, set, frozenset)):
            return type(data)(futures)
        return futures[0]

    def get_future(self, key: str) -> Future:
        """The future of a key that this or another client has submitted."""
        return self._native.future(key)

    def _keep(self, future: Future) -> None:
        """Holds a future until the client is closed: something outside refers to its key."""
        self._kept[future.key] = future

    def cancel(
        self, futures, asynchronous=None, force: bool = False, reason: str | None = None, msg: str | None = None
    ):
        """Stops tasks that this client alone wants, running ones too, and all that needs them.

        Parameters
        ----------
        futures : Future or nest of futures
        force : bool
            Whether other clients' wishes are overruled.
        reason, msg : str, optional
            What the `CancelledError` says.
        """
        self._native.cancel(futures_of([futures]), force, msg or reason or "no reason given")

    def retry(self, futures, asynchronous=None) -> None:
        """Runs failed tasks again, and the failed ones that they need."""
        self._native.retry(futures_of([futures]))

    # Names for all clients

    def publish_dataset(self, *args, name: str | None = None, override: bool = False, **kwargs) -> None:
        """Gives values names for other clients.

        Raises
        ------
        KeyError
            If a name is in use, and ``override`` is not said.
        """
        if args:
            if len(args) != 1:
                raise ValueError("publish_dataset takes one dataset by position")
            if name is None:
                raise ValueError("If no name is provided, a dataset is given as a keyword argument")
            kwargs = {**kwargs, name: args[0]}
        for key, value in kwargs.items():
            for future in futures_of([value]):
                self._keep(future)
            packed = _remote.dump_arguments(((value,), {}))
            if not self._native.set_data(f"dataset/{key}", packed, override):
                raise KeyError(f"Dataset {key!r} already exists")

    def unpublish_dataset(self, name: str, **kwargs) -> None:
        """Removes a name."""
        self._native.set_data(f"dataset/{name}", None, True)

    def list_datasets(self, **kwargs) -> tuple[str, ...]:
        """The names that were given."""
        return tuple(name.partition("/")[2] for name in self._native.list_data("dataset/"))

    def get_dataset(self, name: str, default=..., **kwargs):
        """What was given a name.

        Raises
        ------
        KeyError
            If there is none, and no default.
        """
        import pickle

        packed = self._native.get_data(f"dataset/{name}")
        if packed is None:
            if default is ...:
                raise KeyError(f"Dataset {name!r} not found")
            return default
        return pickle.loads(packed)[0][0]

    # Others

    def explain(self, future: Future) -> str:
        """Where a task is on its way, what it waits for, and why no worker has it.

        Examples
        --------
        >>> from selion.distributed import Client
        >>> with Client(n_workers=1, processes=False) as client:
        ...     x = client.submit(abs, -1, resources={"GPU": 1})
        ...     print(client.explain(x))
        could run; ... has not GPU=1
        """
        return self._native.explain(future)

    def get_executor(self, **kwargs):
        """A `concurrent.futures.Executor` that submits through this client."""
        from selion.distributed.executor import ClientExecutor

        return ClientExecutor(self, **kwargs)

    @property
    def dashboard_link(self) -> str:
        """Where the scheduler's status page is; empty if it has none."""
        from selion.distributed.cluster import _reachable

        return _reachable(self._native.info()["dashboard"], self.scheduler_address)

    def shutdown(self) -> None:
        """Ends the scheduler, its workers, and this client."""
        if self.status != "closed":
            self._native.shutdown()
        self.close()
        if self.cluster is not None:
            self.cluster.close()

    def close(self, timeout=None):
        """Leaves: the values of its futures are no longer wanted. A cluster that it has started ends."""
        if self.status != "closed":
            self.status = "closed"
            self._kept.clear()
            self._native.close()
            self._callbacks.close()
            if self._owns_cluster:
                self.cluster.close()
        return _Nothing() if self.asynchronous else None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc) -> None:
        self.close()

    async def _itself(self) -> Client:
        return self

    def __await__(self):
        return self._itself().__await__()

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *exc) -> None:
        self.close()

    def __reduce__(self):
        return get_client, (self.scheduler_address,)


class _Nothing:
    """What may be awaited, and need not be."""

    def __await__(self):
        return iter(())


def _rules(workers, resources, retries, priority, allow_other_workers, actor, timeout) -> dict | None:
    """What deviates from the usual."""
    rules: dict = {}
    if workers is not None:
        rules["workers"] = [workers] if isinstance(workers, str) else [str(worker) for worker in workers]
    if allow_other_workers:
        if workers is None:
            raise ValueError("Only use allow_other_workers= if using workers=")
        rules["allow_other_workers"] = True
    if resources:
        rules["resources"] = {str(name): float(amount) for name, amount in resources.items()}
    if retries:
        rules["retries"] = int(retries)
    if priority:
        rules["priority"] = int(priority)
    if actor:
        rules["actor"] = True
    if timeout is not None:
        rules["timeout"] = float(parse_timeout(timeout))
    return rules or None


def _filled(nest, values: dict):
    """A nest of futures with their values in their places; what failed is left out, or None in dicts."""
    if isinstance(nest, Future):
        value = values[id(nest)]
        return None if isinstance(value, _selion.RemoteError) else value
    if isinstance(nest, dict):
        return {key: _filled(value, values) for key, value in nest.items()}
    if isinstance(nest, (list, tuple, set, frozenset)):
        kept = (
            item
            for item in nest
            if not (isinstance(item, Future) and isinstance(values[id(item)], _selion.RemoteError))
        )
        filled = [_filled(item, values) for item in kept]
        return filled if isinstance(nest, list) else type(nest)(filled)
    if isinstance(nest, Iterable) and not isinstance(nest, (str, bytes)) and hasattr(nest, "__next__"):
        return [_filled(item, values) for item in nest]
    return nest
