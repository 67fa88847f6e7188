"""Functions take what Dask's take: parameters of the same names, in the same order, with the same defaults.

`dask_signatures.txt` has the signatures of Dask's functions, a line each.
"""

import importlib
import inspect
from pathlib import Path

import numpy
import pytest

LINES = (Path(__file__).parent / "dask_signatures.txt").read_text().splitlines()

# Names that are not there yet.
MISSING = {
    "array.Array.to_dask_dataframe",
    "array.optimize",
    "array.register_chunk_type",
}

# Functions with other parameters than Dask's, and why.
OTHERS = {
    "array.Array": "selion makes arrays of expressions, not of graphs",
    "array.Array.map_blocks": "Dask's is the function itself; here `self` comes first",
    "array.Array.store": "Dask's is the function itself; here `self` comes first",
    "array.compute": "`get` is gone in Dask too; `num_workers` has a name",
    "array.full": "Dask's wraps `numpy.full`; here parameters have names",
    "array.nanpercentile": "takes axes, as NumPy's, which come before the method",
    "array.percentile": "takes axes, as NumPy's, which come before the method",
}


def find(name):
    owner, _, function = name.rpartition(".")
    module, _, last = owner.rpartition(".")
    if last in ("Array", "Generator", "RandomState"):
        return getattr(getattr(importlib.import_module(f"selion.{module}"), last), function)
    return getattr(importlib.import_module(f"selion.{owner}"), function)


def described(signature):
    """Names, kinds and plain defaults; `self` left out."""
    found = []
    for parameter in signature.parameters.values():
        default = parameter.default
        if default is not inspect.Parameter.empty:
            default = repr(default)
        kind = parameter.kind
        if kind is inspect.Parameter.POSITIONAL_ONLY:
            kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        found.append((parameter.name, kind, default))
    return [each for each in found if each[0] != "self"]


def signature_of(text):
    scope = {"numpy": numpy, "float": float, "int": int}
    exec(f"def f({text}): pass", scope)
    return inspect.signature(scope["f"])


SIGNATURES = dict(line.removesuffix(")").split("(", 1) for line in LINES)


@pytest.mark.parametrize("name", sorted(SIGNATURES.keys() - MISSING - OTHERS.keys()))
def test_signature(name):
    want = described(signature_of(SIGNATURES[name]))
    assert described(inspect.signature(find(name))) == want


@pytest.mark.parametrize("name", sorted(MISSING))
def test_missing_names_are_missing(name):
    with pytest.raises((NotImplementedError, AttributeError)):
        find(name)
