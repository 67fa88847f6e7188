"""What people see of an array: methods that `Array` takes from here."""

from __future__ import annotations

from selion import _selion

_SVG_SIZE = 120


def _repr_html_(self) -> str:
    return _selion.array_html(self._native, str(self.dtype), _SVG_SIZE)


def to_svg(self, size: float = 500) -> str:
    """A drawing of how the array is divided into chunks, as SVG text.

    Parameters
    ----------
    size : float
        The length of the longest axis in pixels.

    Examples
    --------
    >>> import selion.array as da
    >>> da.ones((4, 4), chunks=2).to_svg()[:4]
    '<svg'
    """
    return _selion.chunks_svg(self._native, size)


def explain(self) -> str:
    """What computing the array will do: its expression before and after it is rewritten, the layers with their
    programs, the number of tasks, the bytes read and the memory needed. Nothing is computed.

    Examples
    --------
    >>> import selion.array as da
    >>> print(da.ones((4, 4), chunks=2).sum().explain())
    Expression
      sum...
    """
    return _selion.explain([self._native])
