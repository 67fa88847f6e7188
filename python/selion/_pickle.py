"""Pickles of delayed values and of what is made of them: their calls, each after those that it needs, with their keys.

Chains may be longer than pickle's own recursion goes, so a pickle is a list.
"""

from __future__ import annotations

from selion import _selion
from selion._selion import Delayed


class Input:
    """Stands for the value of the call of this number."""

    __slots__ = ("number",)

    def __init__(self, number: int):
        self.number = number

    def __reduce__(self):
        return Input, (self.number,)


def calls_of(value) -> list:
    """The calls that a delayed value needs, and its own last: key, function, arguments, keywords."""
    numbers: dict[str, int] = {}
    calls: list = []
    stack = [(value, False)]
    while stack:
        node, inputs_done = stack.pop()
        if node.key in numbers:
            continue
        inputs = _selion.delayed_inputs(node)
        if not inputs_done:
            stack.append((node, True))
            stack.extend((other, False) for other in inputs)
            continue
        call = _selion.delayed_call(node, [Input(numbers[other.key]) for other in inputs])
        if call is None:  # a block of an array, or what is being computed: its value
            call = (None, tuple(_selion.compute([node])), {})
        numbers[node.key] = len(calls)
        calls.append((node.key, *call))
    return calls


def made_again(calls: list):
    """The delayed value of calls."""
    from selion.delayed import delayed

    made: list = []
    for key, function, args, keywords in calls:
        args, keywords = _undo(args, made), _undo(keywords, made)
        if function is None:
            made.append(delayed(args[0], name=key))
        else:
            made.append(delayed(_undo(function, made))(*args, **keywords, dask_key_name=key))
    return made[-1]


def _undo(nest, made: list):
    kind = type(nest)
    if kind is Input:
        return made[nest.number]
    if kind in (list, tuple, set, frozenset):
        return kind([_undo(part, made) for part in nest])
    if kind is dict:
        return {_undo(key, made): _undo(part, made) for key, part in nest.items()}
    if kind is slice:
        return slice(*(_undo(part, made) for part in (nest.start, nest.stop, nest.step)))
    return nest


def reduce(value: Delayed):
    """How a delayed value is pickled."""
    return made_again, (calls_of(value),)
