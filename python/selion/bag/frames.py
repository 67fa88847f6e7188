"""Items as the rows of tables of pandas, where there is pandas."""

from __future__ import annotations

__all__ = ["columns_of", "frame", "joined", "pandas"]


def pandas():
    try:
        import pandas as pd
    except ImportError:
        raise ImportError("to_dataframe needs the package pandas: pip install pandas") from None
    return pd


def columns_of(meta) -> tuple[list, dict]:
    """The names of columns and their types, of a table, or of names and types."""
    if hasattr(meta, "dtypes") and hasattr(meta, "columns"):
        return list(meta.columns), meta.dtypes.to_dict()
    dtypes = dict(meta)
    return list(dtypes), dtypes


def frame(columns: list | None, dtypes: dict | None, items):
    """The table of a partition; None if it has no rows, and nothing says what its columns are."""
    rows = list(items)
    if not rows and dtypes is None:
        return None
    table = pandas().DataFrame(rows, columns=columns)
    return table if dtypes is None else table.astype(dtypes)


def joined(columns: list | None, tables: list):
    """One table of those of the partitions."""
    tables = [table for table in tables if table is not None]
    return pandas().concat(tables, ignore_index=True) if tables else pandas().DataFrame(columns=columns)
