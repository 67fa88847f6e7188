"""The methods of strings, for bags of them."""

from __future__ import annotations

import operator
from fnmatch import fnmatch
from functools import partial

__all__ = ["StringAccessor"]


class StringAccessor:
    """``bag.str``: what strings can do, for each item.

    Examples
    --------
    >>> import selion.bag as db
    >>> db.from_sequence(["Alice Smith"]).str.split(" ").compute()
    [['Alice', 'Smith']]
    """

    def __init__(self, bag):
        self._bag = bag

    def __dir__(self):
        return sorted({*super().__dir__(), *dir(str)})

    def __getattr__(self, name: str):
        method = getattr(str, name)

        def mapped(*args, **kwargs):
            return self._bag.map(operator.methodcaller(name, *args, **kwargs))

        mapped.__name__, mapped.__doc__ = name, method.__doc__
        return mapped

    def match(self, pattern: str):
        """The strings that match a pattern of the shell.

        Examples
        --------
        >>> import selion.bag as db
        >>> db.from_sequence(["Alice Smith", "Bob Jones"]).str.match("*Smith").compute()
        ['Alice Smith']
        """
        return self._bag.filter(partial(fnmatch, pat=pattern))
