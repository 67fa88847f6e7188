"""How arrays were made, so that they can be made again in another process: what pickling writes.

Every native function that makes arrays notes on its result what it was called with. A pickle is the calls that an array
needs, each after those that it needs itself; undoing it makes them again. Expressions hold functions of users, files and
random keys by what they were made from, so nothing is computed by pickling, and no file's content is written.
"""

from __future__ import annotations

import functools
import pickle

from selion import _selion

_METHODS = ("astype", "rechunk", "reduce")
# These make arrays of what was computed, which no call makes again.
_COMPUTE = ("compute", "persist", "compute_chunk_sizes", "visualize", "store")


class Step:
    """Stands for the result of the call of this number, or for one part of it."""

    __slots__ = ("number", "part")

    def __init__(self, number: int, part: int | None):
        self.number, self.part = number, part

    def __reduce__(self):
        return Step, (self.number, self.part)


def _noting(name: str, function):
    @functools.wraps(function)
    def call(*args, **kwargs):
        result = function(*args, **kwargs)
        if type(result) is _selion.Array:
            result.__dict__["recipe"] = (name, args, kwargs, None)
        elif type(result) in (list, tuple):
            for part, array in enumerate(result):
                if type(array) is _selion.Array:
                    array.__dict__["recipe"] = (name, args, kwargs, part)
        return result

    return call


def _note_calls() -> None:
    for name in _METHODS:
        setattr(_selion.Array, name, _noting(f"Array.{name}", getattr(_selion.Array, name)))
    for name, function in list(vars(_selion).items()):
        if type(function).__name__ == "builtin_function_or_method" and name not in _COMPUTE:
            setattr(_selion, name, _noting(name, function))
    _selion.Array.__reduce_ex__ = lambda native, protocol: (made_again, (steps_of(native), _settings()))


def _settings() -> dict:
    return {"array.chunk-size": _selion.get_setting("array.chunk-size")}


def steps_of(native) -> list:
    """The calls that make an array, each after those that it needs."""
    numbers: dict[int, int] = {}
    steps: list = []
    stack = [(native, False)]
    while stack:
        array, inputs_done = stack.pop()
        call = _call_of(array)
        if id(call) in numbers:
            continue
        name, args, kwargs, _ = call
        if not inputs_done:
            stack.append((array, True))
            needed: list = []
            _map(_collecting(needed), (args, kwargs))
            stack.extend((other, False) for other in needed)
            continue
        numbers[id(call)] = len(steps)
        steps.append((name, *_map(lambda other: _step(other, numbers), (args, kwargs))))
    steps.append(_step(native, numbers))
    return steps


def _call_of(array) -> tuple:
    recipe = array.__dict__.get("recipe")
    if recipe is None:
        recipe = array.__dict__["recipe"] = _of_values(array)
    return recipe


def _of_values(array) -> tuple:
    """For what was computed: the values."""
    try:
        (values,) = _selion.compute([array])
        return "from_memory", (values, array.chunks), {}, None
    except Exception as error:
        raise pickle.PicklingError(f"{array.name} cannot be pickled: {error}") from error


def _step(array, numbers: dict) -> Step:
    call = _call_of(array)
    return Step(numbers[id(call)], call[3])


def _collecting(needed: list):
    def collect(array):
        needed.append(array)
        return array

    return collect


def _map(function, nest):
    """The same nest with the function's value in place of each native array."""
    kind = type(nest)
    if kind is _selion.Array:
        return function(nest)
    if kind in (list, tuple):
        return kind([_map(function, part) for part in nest])
    if kind is dict:
        return {key: _map(function, part) for key, part in nest.items()}
    return nest


def made_again(steps: list, settings: dict):
    """The array that calls make."""
    before = {name: _selion.get_setting(name) for name in settings}
    _selion.set_settings(settings)
    try:
        results: list = []
        for name, args, kwargs in steps[:-1]:
            args, kwargs = _undo(args, results), _undo(kwargs, results)
            method = name.removeprefix("Array.")
            function = getattr(_selion.Array, method) if method != name else getattr(_selion, name)
            results.append(function(*args, **kwargs))
        return _undo(steps[-1], results)
    finally:
        _selion.set_settings(before)


def _undo(nest, results: list):
    kind = type(nest)
    if kind is Step:
        result = results[nest.number]
        return result if nest.part is None else result[nest.part]
    if kind in (list, tuple):
        return kind([_undo(part, results) for part in nest])
    if kind is dict:
        return {key: _undo(part, results) for key, part in nest.items()}
    return nest


_note_calls()
