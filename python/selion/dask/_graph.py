"""selion's collections as graphs of Dask's tasks, which any scheduler of Dask runs.

A delayed call is a task that calls the user's function. Of arrays each fused task is one of Dask's; what they do is sent
once, as the arrays themselves (see `selion.array._recipes`), which every worker turns into the same tasks again.
"""

from __future__ import annotations

import functools
import itertools
import pickle

import numpy as np

from selion import _selion
from selion.dask._imports import dask


class Program:
    """What the tasks of some arrays do; made of the arrays where it is first needed."""

    def __init__(self, pickled: bytes, fingerprint: int, version: str):
        self.pickled, self.fingerprint, self.version = pickled, fingerprint, version

    def __reduce__(self):
        return Program, (self.pickled, self.fingerprint, self.version)

    def __sizeof__(self) -> int:
        return len(self.pickled) + 100

    def __dask_tokenize__(self):
        return ("selion.Program", self.fingerprint, self.pickled)

    def tasks(self) -> _selion.ArrayTasks:
        """The tasks, as the sender has them."""
        return _tasks(self.pickled, self.fingerprint, self.version)


@functools.lru_cache(maxsize=16)
def _tasks(pickled: bytes, fingerprint: int, version: str) -> _selion.ArrayTasks:
    import socket

    here = f"selion {_selion.__version__} on {socket.gethostname()}"
    if version != _selion.__version__:
        raise RuntimeError(f"{here} cannot run what was sent by selion {version}: install the same version everywhere")
    tasks = _selion.ArrayTasks(pickle.loads(pickled))
    if tasks.fingerprint() != fingerprint:
        raise RuntimeError(f"{here} makes other tasks of an array than those that were sent")
    return tasks


def run_task(program: Program, task: int, outputs: tuple, *values):
    """Runs a task: ``values`` are what the tasks before it gave, and ``outputs`` which part of each is meant, if any."""
    inputs = [value if k is None else value[k] for k, value in zip(outputs, values, strict=True)]
    results = program.tasks().run(task, inputs)
    return results[0] if len(results) == 1 else results


def pick(results, k: int):
    """One of a task's results."""
    return results[k]


def array_tasks(natives: list) -> tuple[dict, list]:
    """The Dask graph of arrays, and for each the keys of its blocks in C order."""
    spec = dask()._task_spec
    plan = _selion.ArrayTasks(natives)
    fingerprint = plan.fingerprint()
    program = Program(_pickled(natives), fingerprint, _selion.__version__)
    token = dask().base.tokenize(program)
    shared = f"selion-program-{token}"
    dsk: dict = {shared: spec.DataNode(shared, program)}
    tasks = plan.tasks()
    names = [(f"{label}-{token}", number) for number, (label, _, _) in enumerate(tasks)]
    several = [outputs > 1 for _, _, outputs in tasks]
    reference = spec.TaskRef(shared)
    for number, (key, (_, inputs, _)) in enumerate(zip(names, tasks, strict=True)):
        outputs = tuple([output if several[task] else None for task, output in inputs])
        needs = [spec.TaskRef(names[task]) for task, _ in inputs]
        dsk[key] = spec.Task(key, run_task, reference, number, outputs, *needs)
    keys = []
    for task, output in plan.wanted():
        key = names[task]
        if several[task]:
            key = (f"{names[task][0]}-{output}", task)
            dsk[key] = spec.Task(key, pick, spec.TaskRef(names[task]), output)
        keys.append(key)
    blocks = iter(keys)
    return dsk, [[next(blocks) for _ in range(_count(native))] for native in natives]


def _pickled(x) -> bytes:
    try:
        from cloudpickle import dumps
    except ImportError:
        from pickle import dumps
    return dumps(x, protocol=5)


def _count(native) -> int:
    return int(np.prod(native.numblocks, dtype=int))


def delayed_tasks(values: list) -> tuple[dict, list]:
    """The Dask graph of delayed values, and their keys."""
    spec = dask()._task_spec
    dsk: dict = {}
    arrays: dict = {}
    stack = list(values)
    while stack:
        value = stack.pop()
        key = value.key
        if key in dsk:
            continue
        block = _selion.delayed_block(value)
        if block is not None:
            native, number = block
            arrays.setdefault(native.name, (native, []))[1].append((key, number))
            dsk[key] = None
            continue
        inputs = _selion.delayed_inputs(value)
        call = _selion.delayed_call(value, [spec.TaskRef(other.key) for other in inputs])
        if call is None:
            raise NotImplementedError(f"{key} is being computed elsewhere")
        function, args, keywords = call
        dsk[key] = _task(spec, key, function, args, keywords)
        stack.extend(inputs)
    if arrays:
        natives = [native for native, _ in arrays.values()]
        more, blocks = array_tasks(natives)
        dsk.update(more)
        for (_, needed), own in zip(arrays.values(), blocks, strict=True):
            for key, number in needed:
                dsk[key] = spec.Alias(key, own[number])
    return dsk, [value.key for value in values]


def _task(spec, key, function, args, keywords):
    args = [spec.parse_input(arg) for arg in args]
    keywords = {name: spec.parse_input(arg) for name, arg in keywords.items()}
    if function is None:
        (arg,) = args
        if isinstance(arg, spec.TaskRef):
            return spec.Alias(key, arg.key)
        return spec.Task(key, _same, arg) if isinstance(arg, spec.GraphNode) else spec.DataNode(key, arg)
    if isinstance(function, spec.TaskRef):
        return spec.Task(key, _call, function, *args, **keywords)
    return spec.Task(key, function, *args, **keywords)


def _same(x):
    return x


def _call(function, *args, **keywords):
    return function(*args, **keywords)


def graph_of(parts: list) -> tuple[dict, list]:
    """The Dask graph of native parts of collections; of each the key, or for arrays the keys of the blocks."""
    arrays = [part for part in parts if type(part) is _selion.Array]
    calls = [part for part in parts if type(part) is not _selion.Array]
    dsk: dict = {}
    blocks: list = []
    if arrays:
        more, blocks = array_tasks(arrays)
        dsk.update(more)
    keys: list = []
    if calls:
        more, keys = delayed_tasks(calls)
        dsk.update(more)
    blocks, keys = iter(blocks), iter(keys)
    return dsk, [next(blocks) if type(part) is _selion.Array else next(keys) for part in parts]


def joined(native, blocks: list):
    """The NumPy array of an array's blocks in C order."""
    chunks = native.chunks
    if len(blocks) == 1:
        return blocks[0]
    if any(np.isnan(lens).any() for lens in chunks):
        nest = list(blocks)
        for count in native.numblocks[:0:-1]:
            nest = [nest[k : k + count] for k in range(0, len(nest), count)]
        return np.block(nest)
    whole = np.empty(native.shape, native.dtype)
    starts = [itertools.pairwise([0, *itertools.accumulate(lens)]) for lens in chunks]
    for block, places in zip(blocks, itertools.product(*starts), strict=True):
        whole[tuple(slice(start, stop) for start, stop in places)] = block
    return whole


def compute_parts(parts: list, scheduler) -> list:
    """The values of native parts, computed by a scheduler of Dask: a client, or a function."""
    dsk, keys = graph_of(parts)
    if hasattr(scheduler, "get") and not callable(scheduler):
        check_cluster(scheduler)
        scheduler = scheduler.get
    results = scheduler(dsk, keys)
    return [
        joined(part, list(result)) if type(part) is _selion.Array else result
        for part, result in zip(parts, results, strict=True)
    ]


def check_cluster(client) -> None:
    """Raises before any work starts, if selion is not the same everywhere.

    Raises
    ------
    RuntimeError
        Naming hosts and versions.
    """
    if not hasattr(client, "run"):
        return
    probe = _portable(_version_there)
    there = dict(client.run(probe))
    if hasattr(client, "run_on_scheduler"):
        there[f"scheduler {client.scheduler.address}"] = client.run_on_scheduler(probe)
    wrong = [f"{address}: {version}" for address, version in there.items() if version != _selion.__version__]
    if wrong:
        raise RuntimeError(
            f"selion {_selion.__version__} is needed on the whole cluster, but there is {'; '.join(sorted(wrong))}"
        )


def _version_there():
    try:
        import selion
    except ImportError:
        return "none"
    return selion.__version__


def _portable(function):
    """A function that is sent by its code, to where its module is not."""
    import types

    copy = types.FunctionType(function.__code__, {"__builtins__": __builtins__}, function.__name__)
    copy.__module__ = "__main__"
    copy.__qualname__ = function.__name__
    return copy
