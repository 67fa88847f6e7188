"""Arrays from and to storage: Zarr, stacks of npy files, HDF5, and any object that takes items."""

from __future__ import annotations

import os
from threading import Lock

import numpy as np

from selion import _selion
from selion.array.core import Array, asanyarray, from_array

__all__ = ["from_npy_stack", "from_zarr", "store", "to_hdf5", "to_npy_stack", "to_zarr"]


class Pending:
    """What is still to be written: ``compute`` writes it, and so does `selion.compute`, with others at once."""

    __slots__ = ("_writes",)

    def __init__(self, writes):
        self._writes = writes

    def __selion_parts__(self):
        return self._writes

    @staticmethod
    def _finish(values):
        return None

    @classmethod
    def _persisted(cls, natives) -> Pending:
        return cls(natives)

    def compute(self, **kwargs):
        """Write it. See `selion.compute`."""
        from selion._base import compute

        return compute(self, traverse=False, **kwargs)[0]


def _box(region, shape) -> list:
    """The start and the length along each axis of a region given as slices."""
    region = region if isinstance(region, tuple) else (region,)
    if len(region) > len(shape):
        raise ValueError(f"a region of {len(region)} axes for a target of {len(shape)}")
    box = []
    for part, n in zip((*region, *[slice(None)] * (len(shape) - len(region))), shape, strict=True):
        if not isinstance(part, slice):
            raise TypeError(f"regions must be slices, not {type(part).__name__}")
        start, stop, step = part.indices(n)
        if step != 1:
            raise NotImplementedError("regions with a step are not implemented")
        box.append((start, max(stop - start, 0)))
    return box


def store(sources, targets, lock=True, regions=None, compute=True, return_stored=False, load_stored=None, **kwargs):
    """Compute arrays into objects with ``__setitem__``.

    Parameters
    ----------
    sources : Array or list of Array
    targets : object or list of objects
        With ``shape``, ``dtype`` and ``__setitem__``: NumPy, h5py, zarr arrays.
    lock : bool or lock
        Held while a target is written; ``True`` makes one for all.
    regions : tuple of slice or list of those, optional
        Which part of each target the source is written to.
    compute : bool
        Whether to write now. If not, computing what comes back writes.
    return_stored : bool
        Whether to give back arrays of what is stored.
    load_stored : bool, optional
        Whether those read from the targets; by default if they have been written.
    scheduler : {"threads", "synchronous"}, optional
        Who runs the tasks.

    Returns
    -------
    None, or something with ``compute()``, or if ``return_stored`` an array, or a tuple of them for a list of sources.

    Raises
    ------
    ValueError
        If there are not as many sources, targets and regions, or shapes differ.
    TypeError
        If a source is not a lazy array.

    Examples
    --------
    >>> import numpy as np, selion.array as da
    >>> target = np.zeros(4)
    >>> da.store(da.ones(2), target, regions=(slice(1, 3),))
    >>> target
    array([0., 1., 1., 0.])
    """
    scheduler = kwargs.pop("scheduler", None)
    if kwargs:
        raise TypeError(f"store() got an unexpected keyword argument {next(iter(kwargs))!r}")
    single = isinstance(sources, Array)
    if single:
        sources, targets = [sources], [targets]
    if any(not isinstance(x, Array) for x in sources):
        raise TypeError("All sources must be arrays of selion")
    if len(sources) != len(targets):
        raise ValueError(f"Different number of sources [{len(sources)}] and targets [{len(targets)}]")
    regions = [regions] if regions is None or isinstance(regions, (tuple, slice)) else list(regions)
    if len(regions) == 1:
        regions *= len(sources)
    if len(regions) != len(sources):
        raise ValueError(
            f"Different number of sources [{len(sources)}] and targets [{len(targets)}] than regions [{len(regions)}]"
        )
    lock = Lock() if lock is True else lock or None
    boxes = [
        None if region is None else _box(region, _open(target).shape)
        for target, region in zip(targets, regions, strict=True)
    ]
    places = [(x._native, target, box) for x, target, box in zip(sources, targets, boxes, strict=True)]
    if compute:
        _selion.store(places, lock, scheduler)
    elif not return_stored:
        return Pending(_selion.stored(places, lock, False))
    if not return_stored:
        return None
    if load_stored is None:
        load_stored = compute
    if load_stored and not compute:
        raise NotImplementedError("store(compute=False, load_stored=True) is not implemented")
    if compute:
        loaded = (_part(x, target, box) for x, target, box in zip(sources, targets, boxes, strict=True))
        stored = tuple(loaded if load_stored else sources)
    else:
        stored = tuple(Array(x) for x in _selion.stored(places, lock, True))
    return stored[0] if single else stored


def _open(target):
    return from_zarr(target) if isinstance(target, str) else target


def _part(x: Array, target, box) -> Array:
    """The part of a target where ``x`` has been written, in its blocks."""
    whole = from_zarr(target) if isinstance(target, str) else from_array(target, chunks="auto")
    if box is not None:
        whole = whole[tuple(slice(start, start + n) for start, n in box)]
    return whole.rechunk(x.chunks)


def from_zarr(url, component=None, storage_options=None, chunks=None, name=None, inline_array=False, **kwargs) -> Array:
    """The array in a Zarr store (format 2 or 3).

    Parameters
    ----------
    url : str, path or zarr array
        The store's folder.
    component : str, optional
        The array's path in the store.
    chunks : int, tuple, dict, "auto" or bytes as text, optional
        Block lengths; the store's chunks by default, several together if they are small.

    Raises
    ------
    FileNotFoundError
        If there is no array at that place.

    Examples
    --------
    >>> import tempfile, selion.array as da
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     da.ones(3).to_zarr(folder + "/x.zarr")
    ...     da.from_zarr(folder + "/x.zarr").sum().compute()
    np.float64(3.0)
    """
    folder = zarr_folder(url)
    if folder is None:
        return from_array(url, chunks=chunks or "auto")
    return Array(_selion.from_zarr(folder, chunks, component))


def zarr_folder(url) -> str | None:
    """The folder of a path or of a zarr array on the local file system."""
    if isinstance(url, (str, os.PathLike)):
        return os.fspath(url)
    root = _local_root(getattr(url, "store", None))
    return None if root is None else os.path.join(root, getattr(url, "path", "") or "")


def _local_root(store) -> str | None:
    """The folder of a store of zarr-python's; None for one that is elsewhere, or no folder."""
    kind = type(store).__name__
    if kind == "LocalStore":
        return os.fspath(store.root)
    if kind == "DirectoryStore":
        return os.fspath(store.path)
    if kind == "FsspecStore":
        files = getattr(store.fs, "sync_fs", store.fs)
        return store.path if type(files).__name__ == "LocalFileSystem" else None
    return None


def to_zarr(
    arr,
    url,
    component=None,
    storage_options=None,
    region=None,
    compute=True,
    return_stored=False,
    mode="a",
    **zarr_array_kwargs,
):
    """Compute an array into a Zarr store.

    Parameters
    ----------
    arr : Array
    url : str, path or zarr array
        The folder of a new store, whose chunks are the array's largest blocks; or an array that is there already.
    component : str, optional
        The new array's path in the store.
    region : tuple of slice, optional
        Which part to write of a zarr array that is there already.
    compute : bool
        Whether to write now. If not, computing what comes back writes.
    return_stored : bool
        Whether to give back an array of what is stored.
    mode : {"a", "w", "w-"}
        Whether to replace what is there ("w"), or not.
    overwrite : bool
        As ``mode="w"``.
    zarr_format : {2, 3}
        Of a new store; 3 by default.

    Raises
    ------
    FileExistsError
        If something is there and it shall not be replaced.
    ValueError
        For a region of a new store, a mode that there is not, an array of unknown shape.

    Examples
    --------
    >>> import tempfile, selion.array as da
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     da.arange(6, chunks=2).to_zarr(folder + "/x.zarr")
    ...     da.from_zarr(folder + "/x.zarr", chunks=2).chunks
    ((2, 2, 2),)
    """
    arr = asanyarray(arr)
    overwrite = zarr_array_kwargs.pop("overwrite", False) or mode == "w"
    zarr_format = zarr_array_kwargs.pop("zarr_format", 3)
    if zarr_array_kwargs:
        raise NotImplementedError(f"to_zarr({next(iter(zarr_array_kwargs))}=...) is not implemented")
    if mode not in ("a", "w", "w-"):
        raise ValueError(f"mode must be 'a', 'w' or 'w-', not {mode!r}")
    if np.isnan(arr.shape).any():
        raise ValueError("Saving an array with unknown chunk sizes is not possible; call compute_chunk_sizes() first")
    options = {"compute": compute, "return_stored": return_stored}
    if not isinstance(url, (str, os.PathLike)):
        return store(arr, url, regions=region, **options)
    if region is not None:
        raise ValueError("Cannot use `region` keyword when url is not a `zarr.Array`.")
    folder = os.fspath(url)
    _selion.create_zarr(arr._native, folder, component, overwrite, zarr_format)
    return store(arr, folder if component is None else os.path.join(folder, component), **options)


def to_npy_stack(dirname, x, axis=0):
    """Compute an array into a folder of ``.npy`` files, one for each of its blocks along an axis.

    Parameters
    ----------
    dirname : str or path
        What is in the folder is replaced.
    x : Array
        Its other axes become whole.
    axis : int

    Raises
    ------
    AxisError
        If there is no such axis.
    ValueError
        If a length is unknown.

    Examples
    --------
    >>> import os, tempfile, selion.array as da
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     da.to_npy_stack(folder, da.arange(5, chunks=2))
    ...     sorted(os.listdir(folder)), da.from_npy_stack(folder).compute()
    (['0.npy', '1.npy', '2.npy', 'info'], array([0, 1, 2, 3, 4]))
    """
    _selion.to_npy_stack(os.fspath(dirname), asanyarray(x)._native, axis)


def from_npy_stack(dirname, mmap_mode="r") -> Array:
    """The array in a folder of ``.npy`` files that lie one after the other along an axis. See `to_npy_stack`.

    Parameters
    ----------
    dirname : str or path
    mmap_mode : object
        Accepted as Dask has it: files are read where they are needed, and never mapped.

    Raises
    ------
    FileNotFoundError
        If there is no such folder, or it has no ``info``.
    ValueError
        If the files do not fit together.
    """
    return Array(_selion.from_npy_stack(os.fspath(dirname)))


def to_hdf5(filename, *args, chunks=True, **kwargs):
    """Compute arrays into an HDF5 file, with h5py.

    Parameters
    ----------
    filename : str or path
        What is in the file stays, but for the given data sets.
    args : str and Array, or dict
        The path of one data set and its array, or a dict with several.
    chunks : bool, tuple or None
        The data sets' chunks; those of the arrays by default, none at all for ``None``.
    kwargs : object
        For ``h5py.File.require_dataset``: compression and so on.

    Raises
    ------
    ImportError
        If h5py is not installed.
    ValueError
        If what follows the file's name is something else.
    """
    if len(args) == 1 and isinstance(args[0], dict):
        data = args[0]
    elif len(args) == 2 and isinstance(args[0], str) and isinstance(args[1], Array):
        data = {args[0]: args[1]}
    else:
        raise ValueError("Please provide {'/data/path': array} dictionary")
    try:
        import h5py
    except ImportError as error:
        raise ImportError("to_hdf5 needs h5py: python -m pip install h5py") from error
    with h5py.File(filename, mode="a") as file:
        targets = [
            file.require_dataset(
                path, shape=x.shape, dtype=x.dtype, chunks=tuple(x.chunksize) if chunks is True else chunks, **kwargs
            )
            for path, x in data.items()
        ]
        store(list(data.values()), targets)
