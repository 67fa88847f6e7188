"""Generalised ufuncs: functions on some axes of their arguments, mapped over all others."""

from __future__ import annotations

import numpy as np

from selion import _selion
from selion.array.blockwise import _name_of, native_function, sample
from selion.array.core import Array, asarray

__all__ = ["apply_gufunc", "as_gufunc", "gufunc"]


def _signature(text):
    """The names of the core dimensions of inputs and outputs, and whether there is one output that stands alone."""
    if not isinstance(text, str):
        raise TypeError("`signature` has to be of type string")
    inputs, outputs = _selion.parse_signature(text)
    return inputs, outputs, len(outputs) == 1 and not text.rstrip().endswith(",")


def _placed_axes(axes, axis, keepdims, inputs, outputs):
    """For each input and each output the places of its core dimensions."""
    if axes is not None and axis is not None:
        raise ValueError("Only one of `axis` or `axes` keyword arguments should be given")
    if axes is not None and not isinstance(axes, list):
        raise ValueError("`axes` has to be of type list")
    if keepdims and any(outputs):
        raise ValueError("`keepdims` can only be used for scalar outputs")
    if keepdims and any(core != inputs[0] for core in inputs):
        raise ValueError("To use `keepdims`, all core dimensions have to be equal")
    if axis is not None:
        if not isinstance(axis, int):
            raise ValueError("`axis` has to be an integer value")
        if len({name for core in [*inputs, *outputs] for name in core}) > 1 or any(len(core) > 1 for core in inputs):
            raise ValueError("`axis` can be used only, if one core dimension is present")
        axes = [(axis,) if core else () for core in [*inputs, *outputs]]
    if axes is None:
        axes = [tuple(range(-len(core), 0)) for core in [*inputs, *outputs]]
    axes = [(place,) if isinstance(place, int) else tuple(place) for place in axes]
    counts = {len(inputs) + len(outputs)} | (set() if any(outputs) else {len(inputs)})
    if len(axes) not in counts:
        raise ValueError("The number of `axes` entries is not equal the number of input and output arguments")
    of_inputs = axes[: len(inputs)]
    of_outputs = axes[len(inputs) :] or [()] * len(outputs)
    if keepdims:
        of_outputs = [of_inputs[0] if inputs else ()] * len(outputs)
    for kind, places, cores in (("input", of_inputs, inputs), ("output", of_outputs, outputs)):
        for k, (place, core) in enumerate(zip(places, cores, strict=True)):
            if len(place) != len(core) and not (keepdims and kind == "output"):
                raise ValueError(
                    f"The number of `axes` entries for argument #{k} is not equal "
                    f"the number of respective {kind} core dimensions in signature"
                )
    return of_inputs, of_outputs


def _result_dtypes(func, args, kwargs, meta, output_dtypes, count, single):
    """The dtypes of the results: given, or found by trying the function."""
    if meta is not None and output_dtypes is not None:
        raise ValueError("Only one of `meta` and `output_dtypes` should be given (`meta` is preferred).")
    if meta is not None:
        output_dtypes = [x.dtype for x in meta] if isinstance(meta, (tuple, list)) else meta.dtype
    if output_dtypes is None:
        found = sample(func, args, kwargs, "apply_gufunc", "output_dtypes")
        output_dtypes = np.asarray(found).dtype if single else [np.asarray(x).dtype for x in found]
    several = isinstance(output_dtypes, (tuple, list))
    if single and several and len(output_dtypes) == 1:
        return list(output_dtypes)
    if single and several:
        raise ValueError(
            "For a function with one output, must give a single item for `output_dtypes`/`meta`, not a tuple or list."
        )
    if not single and not several:
        raise ValueError(
            f"For a function with {count} outputs, must give a tuple or list for `output_dtypes`/`meta`, "
            "not a single item."
        )
    if not single and len(output_dtypes) != count:
        raise ValueError(
            f"For a function with {count} outputs, must give a tuple or list of {count} items for "
            f"`output_dtypes`/`meta`, not {len(output_dtypes)}."
        )
    return [output_dtypes] if single else list(output_dtypes)


def apply_gufunc(
    func,
    signature,
    *args,
    axes=None,
    axis=None,
    keepdims=False,
    output_dtypes=None,
    output_sizes=None,
    vectorize=None,
    allow_rechunk=False,
    meta=None,
    **kwargs,
):
    """Apply a function that works on some axes of its arguments, block by block along all others.

    Parameters
    ----------
    func : callable
        Gets blocks whose last axes are the core dimensions, which are whole; the axes before those broadcast. Gives one
        array, or several if the signature has several outputs.
    signature : str
        Names of the core dimensions, as NumPy's: ``"(i,j),(j)->(i)"``.
    args : array-like
    axes : list of tuple of int, optional
        Where the core dimensions are in each argument and each result; the last axes by default.
    axis : int, optional
        Where the only core dimension is, in all arguments and results.
    keepdims : bool
        Whether core dimensions that the results lack stay, with length 1.
    output_dtypes : dtype or list of dtype, optional
        Found by trying the function if missing.
    output_sizes : dict, optional
        Lengths of core dimensions that only results have.
    vectorize : bool, optional
        Whether ``func`` takes no axes but its core dimensions: it is called in a loop (`numpy.vectorize`).
    allow_rechunk : bool
        Whether core dimensions in several blocks are put together.
    meta : array or tuple of array, optional
        Things with the results' dtypes.
    kwargs : object
        Passed to the function.

    Returns
    -------
    Array or tuple of Array

    Raises
    ------
    TypeError
        If the signature is not text.
    ValueError
        If the signature, the axes, the dtypes or the arguments do not fit each other, or if a core dimension is in
        several blocks and ``allow_rechunk`` is false.

    Examples
    --------
    >>> import selion.array as da
    >>> x = da.arange(6, chunks=3).reshape(2, 3)
    >>> low, high = da.apply_gufunc(lambda x: (x.min(-1), x.max(-1)), "(i)->(),()", x)
    >>> low.compute(), high.compute()
    (array([0, 3]), array([2, 5]))
    """
    inputs, outputs, single = _signature(signature)
    args = [asarray(x) for x in args]
    if len(inputs) != len(args):
        raise ValueError(f"According to `signature`, `func` requires {len(inputs)} arguments, but {len(args)} given")
    tried = np.vectorize(func, signature=signature.rstrip().rstrip(",")) if vectorize else func
    dtypes = _result_dtypes(tried, args, kwargs, meta, output_dtypes, len(outputs), single)
    of_inputs, of_outputs = _placed_axes(axes, axis, keepdims, inputs, outputs)
    if vectorize:
        func = np.vectorize(func, signature=signature.rstrip().rstrip(","), otypes=dtypes)

    operands = []
    for x, core, places in zip(args, inputs, of_inputs, strict=True):
        places = [_place(place, x.ndim) for place in places]
        order = [k for k in range(x.ndim) if k not in places] + places
        operands.append((x.transpose(order)._native, core))

    def call(*blocks):
        result = func(*blocks, **kwargs)
        # One result that does not stand alone is the only item of a tuple.
        return result[0] if len(outputs) == 1 and not single and isinstance(result, (tuple, list)) else result

    function = native_function(call, dtypes[0] if len(outputs) == 1 else dtypes, _name_of(func), is_users=True)
    sizes = [(name, int(length)) for name, length in (output_sizes or {}).items()]
    results = map(Array, _selion.apply_gufunc(function, operands, outputs, sizes, bool(allow_rechunk)))
    results = tuple(_moved(x, places, keepdims) for x, places in zip(results, of_outputs, strict=True))
    return results[0] if single else results


def _place(place: int, ndim: int) -> int:
    if not -ndim <= place < ndim:
        raise np.exceptions.AxisError(place, ndim)
    return place % ndim


def _moved(x: Array, places, keepdims) -> Array:
    """The array with its last axes, which are made if ``keepdims``, at the given places."""
    if keepdims:
        x = x[(..., *(None for _ in places))]
    places = [_place(place, x.ndim) for place in places]
    order = list(range(x.ndim - len(places)))
    for place, axis in sorted(zip(places, range(len(order), x.ndim), strict=True)):
        order.insert(place, axis)
    return x.transpose(order)


class gufunc:
    """A function bound to a signature, to be called with lazy arrays. See `apply_gufunc` for the parameters.

    Examples
    --------
    >>> import numpy as np, selion.array as da
    >>> total = da.gufunc(lambda x: x.sum(-1), signature="(i)->()", output_dtypes=float)
    >>> total(da.ones((2, 3))).compute()
    array([3., 3.])
    """

    def __init__(
        self,
        pyfunc,
        *,
        signature=None,
        vectorize=False,
        axes=None,
        axis=None,
        keepdims=False,
        output_sizes=None,
        output_dtypes=None,
        allow_rechunk=False,
        meta=None,
    ):
        self.pyfunc, self.signature = pyfunc, signature
        self.vectorize, self.axes, self.axis, self.keepdims = vectorize, axes, axis, keepdims
        self.output_sizes, self.output_dtypes = output_sizes, output_dtypes
        self.allow_rechunk, self.meta = allow_rechunk, meta
        name = _name_of(pyfunc)
        self.__doc__ = (
            f"Bound `selion.array.gufunc`: {name} on {signature}.\n\n{getattr(pyfunc, '__doc__', None) or ''}"
        )

    def __call__(self, *args, allow_rechunk=False, **kwargs):
        return apply_gufunc(
            self.pyfunc,
            self.signature,
            *args,
            vectorize=self.vectorize,
            axes=self.axes,
            axis=self.axis,
            keepdims=self.keepdims,
            output_sizes=self.output_sizes,
            output_dtypes=self.output_dtypes,
            allow_rechunk=self.allow_rechunk or allow_rechunk,
            meta=self.meta,
            **kwargs,
        )


def as_gufunc(signature=None, **kwargs):
    """Decorator that makes a `gufunc` of a function.

    Parameters
    ----------
    signature : str
        Names of the core dimensions, as ``"(i)->()"``.
    kwargs : object
        See `apply_gufunc`.

    Examples
    --------
    >>> import selion.array as da
    >>> @da.as_gufunc("(i)->()", output_dtypes=float)
    ... def total(x):
    ...     return x.sum(-1)
    >>> total(da.ones((2, 3))).compute()
    array([3., 3.])
    """
    allowed = {
        "vectorize", "axes", "axis", "keepdims", "output_sizes", "output_dtypes", "allow_rechunk", "meta",
    }  # fmt: skip
    if kwargs.keys() - allowed:
        raise TypeError("Unsupported keyword argument(s) provided")

    def decorated(pyfunc):
        return gufunc(pyfunc, signature=signature, **kwargs)

    return decorated
