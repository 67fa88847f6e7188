"""Linear algebra, with the names of `numpy.linalg` and of `dask.array.linalg`.

Matrices are factorised block by block: NumPy, or SciPy where NumPy has no such function, works on one block, and lazy
expressions put the blocks together. Everything stays lazy: `selion.compute` of several factors runs each step once.

What a step subtracts from the rest of a matrix is subtracted inside the function on blocks (`_minus_product`). As lazy
arithmetic it would be fused into the last step that needs it, and all products would have to wait for that in memory.
"""

from __future__ import annotations

import warnings
from functools import partial
from itertools import pairwise

import numpy as np

from selion.array import manipulation, reductions
from selion.array.blockwise import _run, run_parts
from selion.array.core import Array, _ufunc, asanyarray
from selion.array.creation import arange, eye, zeros
from selion.array.random import RandomState, default_rng

__all__ = [
    "cholesky", "compression_level", "compression_matrix", "inv", "lstsq", "lu", "norm", "qr", "sfqr", "solve",
    "solve_triangular", "svd", "svd_compressed", "tsqr",
]  # fmt: skip

# How many triangular factors `tsqr` puts below each other before it factorises them again.
_MERGED = 16


def _scipy(name):
    """A function of `scipy.linalg`."""
    try:
        import scipy.linalg
    except ImportError as error:
        raise ImportError(
            f"selion.array.linalg needs SciPy (scipy.linalg.{name}) for this: pip install scipy"
        ) from error
    return getattr(scipy.linalg, name)


def _inexact(*arrays) -> np.dtype:
    """The dtype in which LAPACK works on such arrays."""
    dtype = np.result_type(*(x.dtype if x.dtype.kind in "fc" else np.float64 for x in arrays))
    if dtype.char not in "fdFD":
        raise TypeError(f"array type {dtype} is unsupported in linalg")
    return dtype


def _matrix(a, message="Array must be 2D") -> Array:
    """``a`` with a dtype of LAPACK."""
    a = asanyarray(a)
    if a.ndim != 2:
        raise ValueError(f"{message} (shape: {a.shape})")
    return a.astype(_inexact(a), copy=False)


def _square(a, what) -> Array:
    """``a`` with square blocks on its diagonal."""
    a = _matrix(a, f"Dimension must be 2 to perform {what} decomposition")
    if a.shape[0] != a.shape[1]:
        raise ValueError(f"Input must be a square matrix to perform {what} decomposition (shape: {a.shape})")
    if a.chunks[0] != a.chunks[1]:
        raise ValueError(
            f"All chunks on the diagonal must be square matrices to perform {what} decomposition. "
            f"Use .rechunk method to change the size of chunks (they are {a.chunks})."
        )
    return a


def _adjoint(a) -> Array:
    return a.T.conj() if a.dtype.kind == "c" else a.T


def _starts(lens) -> list[int]:
    return [0, *np.cumsum(lens).tolist()]


def _minus_product(a, left, right):
    return a - left @ right


# ---- QR and singular values ------------------------------------------------------------------------------------------


def _merge_heights(heights, rows) -> tuple:
    """Lengths of blocks of which each is two or more of the given ones, as many as fit into ``rows`` rows."""
    merged, sizes = [], []
    for height in heights:
        fits = len(sizes) < _MERGED if rows is None else sum(sizes) + height <= max(rows, 2 * max(heights))
        if not fits:
            merged.append(sum(sizes))
            sizes = []
        sizes.append(height)
    return (*merged, sum(sizes))


def _tall_qr(a, rows) -> tuple[Array, Array]:
    """The factors of a column of blocks. The second is one block."""
    heights, width = a.chunks[0], a.shape[1]
    ranks = tuple(min(height, width) for height in heights)
    # The first factors of several blocks may have different numbers of columns.
    columns = ranks if len(ranks) == 1 else (np.nan,)
    parts = [(a.dtype, (heights, columns)), (a.dtype, (ranks, (width,)))]
    q, r = run_parts(np.linalg.qr, [0], [(a, [0, 1])], parts)
    if len(heights) == 1:
        return q, r
    q_of_r, r = _tall_qr(r.rechunk({0: _merge_heights(ranks, rows)}), rows)
    factors = [(q, [0, 1]), (q_of_r.rechunk({0: ranks}), [0, 2])]
    return _run(np.matmul, [0, 2], factors, {0: heights}, a.dtype, align=False), r


def _svd_of_block(a) -> list[Array]:
    rank = min(a.shape)
    real = np.empty(0, a.dtype).real.dtype
    parts = [(a.dtype, ((a.shape[0],), (rank,))), (real, ((rank,),)), (a.dtype, ((rank,), (a.shape[1],)))]
    return run_parts(_reduced_svd, [], [(a, [0, 1])], parts, "svd")


def _reduced_svd(block):
    return np.linalg.svd(block, full_matrices=False)


def tsqr(data, compute_svd=False, _max_vchunk_size=None):
    """The QR factorisation, or the singular value decomposition, of a tall and skinny matrix.

    The algorithm is TSQR (Benson, Gleich, Demmel: Direct QR factorizations for tall-and-skinny matrices in MapReduce
    architectures, 2013): each block is factorised, then the second factors below each other, 16 at a time, until one
    is left.

    Parameters
    ----------
    data : (M, N) array-like
        With a single block along its columns.
    compute_svd : bool
        Whether to give singular values and vectors.
    _max_vchunk_size : int, optional
        How many rows of second factors are factorised together.

    Returns
    -------
    q : (M, K) Array
        With orthonormal columns; K = min(M, N).
    r : (K, N) Array
        Upper triangular. If ``compute_svd``, in place of both: the left singular vectors (M, K), the singular values
        (K,), descending, and the right singular vectors (K, N), of which `data` is the product.

    Raises
    ------
    ValueError
        If there are not two axes, several columns of blocks, or rows of unknown number.

    Examples
    --------
    >>> import numpy as np, selion.array as da
    >>> x = da.random.default_rng(0).normal(size=(100, 3), chunks=(20, 3))
    >>> q, r = da.linalg.tsqr(x)
    >>> q.shape, r.shape, np.allclose((q @ r).compute(), x.compute())
    ((100, 3), (3, 3), True)
    """
    data = _matrix(data)
    if data.numblocks[1] != 1:
        raise ValueError(
            "Input must have only one column of blocks: tsqr factorises tall and skinny matrices.\n"
            f"Current shape: {data.shape},\nCurrent chunksize: {data.chunksize}"
        )
    if np.isnan(data.size):
        raise ValueError("tsqr needs the lengths of all blocks; call compute_chunk_sizes() first")
    q, r = _tall_qr(data, _max_vchunk_size)
    if not compute_svd:
        return q, r
    u, s, vh = _svd_of_block(r)
    return q @ u, s, vh


def sfqr(data, name=None) -> tuple[Array, Array]:
    """The QR factorisation of a short and fat matrix.

    The first blocks, together as wide as the matrix is high, are factorised; the rest is a product with the first
    factor.

    Parameters
    ----------
    data : (M, N) array-like
        With a single block along its rows.

    Returns
    -------
    q : (M, K) Array
        With orthonormal columns; K = min(M, N).
    r : (K, N) Array
        Upper triangular.

    Raises
    ------
    ValueError
        If there are not two axes, or several rows of blocks.

    Examples
    --------
    >>> import numpy as np, selion.array as da
    >>> x = da.random.default_rng(0).normal(size=(3, 100), chunks=(3, 20))
    >>> q, r = da.linalg.sfqr(x)
    >>> q.shape, r.shape, np.allclose((q @ r).compute(), x.compute())
    ((3, 3), (3, 100), True)
    """
    data = _matrix(data)
    if data.numblocks[0] != 1:
        raise ValueError(
            "Input must have only one row of blocks: sfqr factorises short and fat matrices.\n"
            f"Current shape: {data.shape},\nCurrent chunksize: {data.chunksize}"
        )
    rank, widths = min(data.shape), data.chunks[1]
    first = next(end for end in _starts(widths)[1:] if end >= rank)
    q, r = _tall_qr(data[:, :first].rechunk(-1), None)
    if first == data.shape[1]:
        return q, r
    return q, manipulation.concatenate([r, _adjoint(q) @ data[:, first:]], axis=1)


def qr(a) -> tuple[Array, Array]:
    """The QR factorisation of a matrix that is a column or a row of blocks: see `tsqr` and `sfqr`.

    Parameters
    ----------
    a : (M, N) array-like

    Returns
    -------
    q : (M, K) Array
        With orthonormal columns; K = min(M, N).
    r : (K, N) Array
        Upper triangular.

    Raises
    ------
    NotImplementedError
        If there are several rows and several columns of blocks.

    Examples
    --------
    >>> import selion.array as da
    >>> q, r = da.linalg.qr(da.ones((6, 2), chunks=(3, 2)))
    >>> abs(r).compute().round(3)
    array([[2.449, 2.449],
           [0.   , 0.   ]])
    """
    a = _matrix(a)
    if a.numblocks[1] == 1 and a.numblocks[0] > 1:
        return tsqr(a)
    if a.numblocks[0] == 1:
        return sfqr(a)
    raise NotImplementedError(
        "qr factorises tall and skinny matrices (a single column of blocks; see tsqr) and short and fat ones (a single "
        f"row of blocks; see sfqr), but the numbers of blocks are {a.numblocks}. Consider rechunk: "
        "x.rechunk({0: -1, 1: 'auto'}) or x.rechunk({0: 'auto', 1: -1})."
    )


def _coerced(u, v) -> tuple[Array, Array]:
    """Singular vectors whose signs are those for which rows of ``v`` have no negative sum."""
    total = reductions.sum(v, axis=1)
    sign = _ufunc("where", (total.real if v.dtype.kind == "c" else total) >= 0, 1, -1).astype(v.dtype)
    return u * sign, v * sign[:, None]


def svd(a, coerce_signs=True, full_matrices=False) -> tuple[Array, Array, Array]:
    """The singular value decomposition of a matrix that is a column or a row of blocks.

    By `tsqr` of the matrix or of its transpose. For a matrix with several rows and columns of blocks, see
    `svd_compressed`.

    Parameters
    ----------
    a : (M, N) array-like
    coerce_signs : bool
        Whether to choose the vectors' signs so that the result does not depend on the blocks: the sum of each right
        vector is not negative.
    full_matrices : bool
        Only ``False`` is implemented.

    Returns
    -------
    u : (M, K) Array
        Left singular vectors, in columns; K = min(M, N).
    s : (K,) Array
        Singular values, descending.
    v : (K, N) Array
        Right singular vectors, in rows: ``a = u @ diag(s) @ v``.

    Raises
    ------
    NotImplementedError
        If there are several rows and several columns of blocks.

    Examples
    --------
    >>> import selion.array as da
    >>> u, s, v = da.linalg.svd(da.ones((6, 2), chunks=(3, 2)))
    >>> s.compute().round(3)
    array([3.464, 0.   ])
    """
    if full_matrices:
        raise NotImplementedError("svd(full_matrices=True) is not implemented; full_matrices=False is")
    a = _matrix(a, "Array must be 2D")
    rows, columns = a.numblocks
    if rows > 1 and columns > 1:
        raise NotImplementedError(
            "Array must be chunked in one dimension only: svd decomposes tall and skinny or short and fat matrices "
            f"(see svd_compressed for others). Shape: {a.shape}, numbers of blocks: {a.numblocks}"
        )
    if rows == columns == 1:
        u, s, v = _svd_of_block(a)
    elif columns == 1:
        u, s, v = tsqr(a, compute_svd=True)
    else:
        vt, s, ut = tsqr(a.T, compute_svd=True)
        u, v = ut.T, vt.T
    if coerce_signs:
        u, v = _coerced(u, v)
    return u, s, v


def compression_level(n, q, n_oversamples=10, min_subspace_size=20) -> int:
    """How large a subspace `compression_matrix` takes in a space of ``n`` dimensions for ``q`` wanted ones.

    Examples
    --------
    >>> import selion.array as da
    >>> da.linalg.compression_level(100, 10)
    20
    """
    return min(max(min_subspace_size, q + n_oversamples), n)


def compression_matrix(data, q, iterator="power", n_power_iter=0, n_oversamples=10, seed=None, compute=False) -> Array:
    """A projection on the subspace in which a matrix is largest, by random sampling.

    The algorithm is the randomised range finder of Halko, Martinsson, Tropp: Finding structure with randomness, 2011
    (4.3 and 4.4 there).

    Parameters
    ----------
    data : (M, N) array-like
    q : int
        How many dimensions are wanted; somewhat more are kept, see `compression_level`.
    iterator : {"power", "QR"}
        Whether products with ``data`` are factorised in between, which is exact for more iterations.
    n_power_iter : int
        How often to multiply with ``data`` and its adjoint, against singular values that fall slowly.
    n_oversamples : int
        How many dimensions are kept beside those that are wanted.
    seed : int or generator, optional
    compute : bool
        Whether to compute what each iteration gives at once: ``data`` is computed more often, but less is kept.

    Returns
    -------
    (K, M) Array
        With orthonormal rows.

    Examples
    --------
    >>> import selion.array as da
    >>> x = da.random.default_rng(0).normal(size=(100, 60), chunks=50)
    >>> da.linalg.compression_matrix(x, 5, seed=0).shape
    (20, 100)
    """
    if iterator not in ("power", "QR"):
        raise ValueError(f"Iterator '{iterator}' not valid, must be one of ['power', 'QR']")
    data = _matrix(data)
    state = seed if isinstance(seed, RandomState) or hasattr(seed, "standard_normal") else default_rng(seed)
    size = compression_level(min(data.shape), q, n_oversamples)
    omega = state.standard_normal(size=(data.shape[1], size), chunks=(data.chunks[1], (size,)))
    real = np.empty(0, data.dtype).real.dtype
    adjoint = _adjoint(data)

    def kept(x):
        return x.persist() if compute else x

    def basis(x):
        return tsqr(x)[0] if iterator == "QR" else x

    sample = basis(data @ omega.astype(real, copy=False))
    for _ in range(n_power_iter):
        sample = basis(data @ kept(basis(adjoint @ kept(sample))))
    return _adjoint(sample if iterator == "QR" else tsqr(sample)[0])


def svd_compressed(
    a, k, iterator="power", n_power_iter=0, n_oversamples=10, seed=None, compute=False, coerce_signs=True
) -> tuple[Array, Array, Array]:
    """The ``k`` largest singular values, and their vectors, approximately, for a matrix in any blocks.

    The algorithm is the randomised singular value decomposition of Halko, Martinsson, Tropp: Finding structure with
    randomness, 2011 (5.1 there): the exact one of the matrix projected by `compression_matrix`.

    Parameters
    ----------
    a : (M, N) array-like
    k : int
    iterator, n_power_iter, n_oversamples, seed, compute
        See `compression_matrix`.
    coerce_signs : bool
        See `svd`.

    Returns
    -------
    u, s, v : (M, k), (k,) and (k, N) Array
        As of `svd`.

    Examples
    --------
    >>> import numpy as np, selion.array as da
    >>> x = da.ones((60, 50), chunks=20)
    >>> u, s, v = da.linalg.svd_compressed(x, 1, seed=0)
    >>> np.allclose((u * s @ v).compute(), 1)
    True
    """
    a = _matrix(a)
    projection = compression_matrix(a, k, iterator, n_power_iter, n_oversamples, seed, compute)
    if compute:
        projection = projection.persist()
    vt, s, ut = tsqr((projection @ a).T, compute_svd=True)
    u, s, v = _adjoint(projection) @ ut.T[:, :k], s[:k], vt.T[:k]
    if coerce_signs:
        u, v = _coerced(u, v)
    return u, s, v


# ---- Triangular factors and systems ----------------------------------------------------------------------------------


def _panel_lu(panel):
    """The order of the rows of a column of blocks, and its factors in that order."""
    places, lower, upper = _scipy("lu")(panel, p_indices=True, check_finite=False)
    return np.argsort(places), lower, upper


def _panel_update(rest, order, lower):
    """What the first block rows of a later column become, and what remains of it."""
    width = lower.shape[1]
    rest = rest[order]
    solve = _scipy("solve_triangular")
    upper = solve(lower[:width], rest[:width], lower=True, unit_diagonal=True, check_finite=False)
    return upper, rest[width:] - lower[width:] @ upper


def _take_below(lower, order):
    """The last rows of ``lower`` in another order."""
    first = len(lower) - len(order)
    return np.concatenate([lower[:first], lower[first:][order]])


def _lu(a) -> tuple[Array, Array, Array]:
    """The order of rows in which a matrix is the product of the other two results."""
    _scipy("lu")
    sizes, dtype = a.chunks[0], a.dtype
    starts = _starts(sizes)
    rest = a.rechunk({0: -1})
    steps = []
    for k, size in enumerate(sizes):
        height, later = rest.shape[0], sizes[k + 1 :]
        panel = rest.blocks[0, 0]
        parts = [(np.int64, ((height,),)), (dtype, ((height,), (size,))), (dtype, ((size,), (size,)))]
        order, lower, upper = run_parts(_panel_lu, [], [(panel, [0, 1])], parts, "lu")
        row = [zeros((size, starts[k]), dtype), upper]
        if later:
            inputs = [(rest.blocks[0, 1:], [0, 1]), (order, [2]), (lower, [3, 4])]
            parts = [(dtype, ((size,), later)), (dtype, ((height - size,), later))]
            right, rest = run_parts(_panel_update, [1], inputs, parts, "lu_update")
            row.append(right)
        steps.append((order, lower, manipulation.concatenate(row, axis=1)))
    # Rows that later steps exchange are exchanged in the results of the earlier ones too.
    whole = None
    columns = []
    for k, (order, lower, _) in reversed(list(enumerate(steps))):
        if whole is not None:
            lower = _run(_take_below, [0, 1], [(lower, [0, 1]), (whole, [2])], {}, dtype)
            order = _run(_take_below, [0], [(order, [0]), (whole, [1])], {}, np.int64)
        whole = order
        columns.append(manipulation.concatenate([zeros((starts[k], sizes[k]), dtype), lower]))
    lower = manipulation.concatenate(columns[::-1], axis=1).rechunk(a.chunks)
    upper = manipulation.concatenate([row for _, _, row in steps]).rechunk(a.chunks)
    return whole, lower, upper


def lu(a) -> tuple[Array, Array, Array]:
    """The LU factorisation of a square matrix, with row exchanges. Needs SciPy.

    The algorithm is the blocked right-looking one of LAPACK's ``getrf``: a column of blocks is factorised with partial
    pivoting among all of its rows, which are one block then, and what it contributes is subtracted from the columns
    right of it. It is as stable as that of SciPy; a task holds a column of blocks.

    Parameters
    ----------
    a : (M, M) array-like
        With the same blocks along both axes.

    Returns
    -------
    p : (M, M) Array
        A permutation: ``a = p @ l @ u``.
    l : (M, M) Array
        Lower triangular, with ones on the diagonal.
    u : (M, M) Array
        Upper triangular.

    Raises
    ------
    ValueError
        If the matrix or a block on the diagonal is not square.
    ImportError
        Without SciPy.

    Examples
    --------
    >>> import numpy as np, selion.array as da
    >>> x = da.from_array(np.array([[0.0, 2.0], [4.0, 1.0]]), chunks=1)
    >>> p, l, u = da.linalg.lu(x)
    >>> (p @ l @ u).compute()
    array([[0., 2.],
           [4., 1.]])
    """
    a = _square(a, "lu")
    order, lower, upper = _lu(a)
    row = arange(a.shape[0], chunks=a.chunks[:1])[:, None]
    real = np.empty(0, a.dtype).real.dtype
    return (row == order.rechunk(a.chunks[:1])[None, :]).astype(real), lower, upper


def solve_triangular(a, b, lower=False) -> Array:
    """The solution of ``a x = b`` for a triangular matrix. Needs SciPy.

    By block substitution: a block row is solved, and its contribution subtracted from the others' right-hand sides.

    Parameters
    ----------
    a : (M, M) array-like
        With the same blocks along both axes; the other triangle is not read.
    b : (M,) or (M, N) array-like
        With the blocks of ``a`` along its first axis.
    lower : bool
        Whether ``a`` is lower triangular; upper by default.

    Returns
    -------
    Array
        In the shape of ``b``.

    Raises
    ------
    ValueError
        If shapes or blocks do not go together.
    numpy.linalg.LinAlgError
        When computing, if the matrix is singular.
    ImportError
        Without SciPy.

    Examples
    --------
    >>> import numpy as np, selion.array as da
    >>> a = da.from_array(np.array([[2.0, 0.0], [1.0, 1.0]]), chunks=1)
    >>> da.linalg.solve_triangular(a, da.ones(2, chunks=1), lower=True).compute()
    array([0.5, 0.5])
    """
    solve = partial(_scipy("solve_triangular"), lower=lower, check_finite=False)
    a, b = _matrix(a, "a must be 2 dimensional"), asanyarray(b)
    if b.ndim not in (1, 2):
        raise ValueError("b must be 1 or 2 dimensional")
    if not a.shape[0] == a.shape[1] == b.shape[0]:
        raise ValueError(f"a.shape[1] and b.shape[0] must be equal, and a square (shapes: {a.shape}, {b.shape})")
    if not a.chunks[0] == a.chunks[1] == b.chunks[0]:
        raise ValueError(
            "a.chunks[1] and b.chunks[0] must be equal, and a.chunks[0] too. Use .rechunk method to change the size of "
            f"chunks (they are {a.chunks} and {b.chunks})."
        )
    dtype = _inexact(a, b)
    columns = [3] * (b.ndim - 1)
    rest, solved = b.astype(dtype, copy=False), []
    count = a.numblocks[0]
    for k in range(count) if lower else reversed(range(count)):
        own, others = (0, slice(1, None)) if lower else (-1, slice(None, -1))
        below = slice(k + 1, None) if lower else slice(None, k)
        inputs = [(a.blocks[k, k], [0, 1]), (rest.blocks[own], [1, *columns])]
        x = _run(solve, [0, *columns], inputs, {}, dtype, "solve_triangular")
        solved.append(x)
        if len(solved) < count:
            inputs = [(rest.blocks[others], [0, *columns]), (a.blocks[below, k], [0, 1]), (x, [2, *columns])]
            rest = _run(_minus_product, [0, *columns], inputs, {}, dtype)
    return manipulation.concatenate(solved if lower else solved[::-1])


def solve(a, b, sym_pos=None, assume_a="gen") -> Array:
    """The solution of ``a x = b``. Needs SciPy if there are several blocks.

    By `lu`, or by `cholesky` if the matrix is positive definite, and two triangular systems.

    Parameters
    ----------
    a : (M, M) array-like
        With the same blocks along both axes.
    b : (M,) or (M, N) array-like
    sym_pos : bool, optional
        Deprecated: use ``assume_a="pos"``.
    assume_a : {"gen", "pos"}
        Whether the matrix is known to be Hermitian and positive definite.

    Returns
    -------
    Array
        In the shape of ``b``.

    Raises
    ------
    ValueError
        If shapes or blocks do not go together.
    numpy.linalg.LinAlgError
        When computing, if the matrix is singular, or not positive definite where it should be.

    Examples
    --------
    >>> import numpy as np, selion.array as da
    >>> a = da.from_array(np.array([[0.0, 2.0], [4.0, 1.0]]), chunks=1)
    >>> da.linalg.solve(a, da.ones(2, chunks=1)).compute()
    array([0.125, 0.5  ])
    """
    if sym_pos is not None:
        warnings.warn("The sym_pos keyword is deprecated: use `assume_a = 'pos'`.", FutureWarning, stacklevel=2)
        assume_a = "pos" if sym_pos else assume_a
    if assume_a not in ("gen", "pos"):
        raise ValueError(f"{assume_a = } is not a recognized matrix structure, valid structures are 'pos' and 'gen'.")
    a, b = _square(a, "cholesky" if assume_a == "pos" else "lu"), asanyarray(b)
    if b.ndim not in (1, 2):
        raise ValueError("b must be 1 or 2 dimensional")
    if a.shape[1] != b.shape[0]:
        raise ValueError(f"a.shape[1] and b.shape[0] must be equal (shapes: {a.shape}, {b.shape})")
    columns = [3] * (b.ndim - 1)
    if assume_a == "pos":
        lower = cholesky(a, lower=True)
        upper, b = _adjoint(lower), b.rechunk({0: a.chunks[0]})
    elif a.npartitions == 1:
        inputs = [(a, [0, 1]), (b.rechunk({0: -1}), [1, *columns])]
        return _run(np.linalg.solve, [0, *columns], inputs, {}, _inexact(a, b))
    else:
        order, lower, upper = _lu(a)
        inputs = [(b.rechunk({0: -1}), [0, *columns]), (order, [1])]
        b = _run(np.ndarray.__getitem__, [0, *columns], inputs, {}, b.dtype, "take").rechunk({0: a.chunks[0]})
    return solve_triangular(upper, solve_triangular(lower, b, lower=True))


def inv(a) -> Array:
    """The inverse of a square matrix. Needs SciPy if there are several blocks. See `solve`.

    Parameters
    ----------
    a : (M, M) array-like
        With the same blocks along both axes.

    Raises
    ------
    ValueError
        If the matrix or a block on the diagonal is not square.
    numpy.linalg.LinAlgError
        When computing, if the matrix is singular.

    Examples
    --------
    >>> import numpy as np, selion.array as da
    >>> da.linalg.inv(da.from_array(np.array([[0.0, 2.0], [4.0, 0.0]]), chunks=1)).compute()
    array([[0.  , 0.25],
           [0.5 , 0.  ]])
    """
    a = _square(a, "lu")
    return solve(a, eye(a.shape[0], chunks=a.chunks, dtype=a.dtype))


def _solve_adjoint(below, diagonal):
    """What of a Cholesky factor lies below its block on the diagonal."""
    return _scipy("solve_triangular")(diagonal, below.conj().T, lower=True, check_finite=False).conj().T


def cholesky(a, lower=False) -> Array:
    """The Cholesky factor of a Hermitian positive definite matrix. Needs SciPy if there are several blocks.

    The algorithm is the blocked right-looking one of LAPACK's ``potrf``: a block on the diagonal is factorised, the
    blocks below it are solved with, and their products subtracted from the blocks right of them.

    Parameters
    ----------
    a : (M, M) array-like
        With the same blocks along both axes. Of the blocks above the diagonal nothing is read.
    lower : bool
        Whether to give the factor of ``a = l @ l.conj().T`` rather than that of ``a = u.conj().T @ u``.

    Raises
    ------
    ValueError
        If the matrix or a block on the diagonal is not square.
    numpy.linalg.LinAlgError
        When computing, if the matrix is not positive definite.

    Examples
    --------
    >>> import numpy as np, selion.array as da
    >>> a = da.from_array(np.array([[4.0, 2.0], [2.0, 5.0]]), chunks=1)
    >>> da.linalg.cholesky(a, lower=True).compute()
    array([[2., 0.],
           [1., 2.]])
    """
    a = _square(a, "cholesky")
    if a.npartitions > 1:
        _scipy("solve_triangular")
    dtype, columns, rest = a.dtype, [], a
    for start, end in pairwise(_starts(a.chunks[0])):
        diagonal = _run(np.linalg.cholesky, [0, 1], [(rest.blocks[0, 0], [0, 1])], {}, dtype)
        column = [zeros((start, end - start), dtype), diagonal]
        if rest.numblocks[0] > 1:
            below = _run(_solve_adjoint, [0, 1], [(rest.blocks[1:, 0], [0, 1]), (diagonal, [2, 3])], {}, dtype)
            column.append(below)
            # Only blocks on and below the diagonal are ever asked for.
            inputs = [(rest.blocks[1:, 1:], [0, 1]), (below, [0, 2]), (_adjoint(below), [3, 1])]
            rest = _run(_minus_product, [0, 1], inputs, {}, dtype)
        columns.append(manipulation.concatenate(column))
    factor = manipulation.concatenate(columns, axis=1).rechunk(a.chunks)
    return factor if lower else _adjoint(factor)


def _rank_and_values(r):
    return np.linalg.matrix_rank(r), np.linalg.svd(r, compute_uv=False)


def lstsq(a, b) -> tuple[Array, Array, Array, Array]:
    """The least-squares solution of ``a x = b`` by QR factorisation. Needs SciPy.

    Parameters
    ----------
    a : (M, N) array-like
        With M ≥ N, of full rank, a column or a row of blocks: see `qr`.
    b : (M,) or (M, K) array-like

    Returns
    -------
    x : (N,) or (N, K) Array
        The solution, for each column of ``b``.
    residuals : (1,) or (K,) Array
        The sum of squares of ``b - a @ x`` for each column of ``b``.
    rank : Array
        The rank of ``a``.
    s : (N,) Array
        The singular values of ``a``, descending.

    Raises
    ------
    ValueError
        If there are fewer rows than columns, or shapes do not go together.
    NotImplementedError
        If ``a`` has several rows and several columns of blocks.

    Examples
    --------
    >>> import numpy as np, selion.array as da
    >>> a = da.from_array(np.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]]), chunks=(2, 2))
    >>> x, residuals, rank, s = da.linalg.lstsq(a, da.asarray([1.0, 3.0, 5.0]))
    >>> x.compute().round(6), rank.compute()
    (array([2., 1.]), np.int64(2))
    """
    a, b = _matrix(a), asanyarray(b)
    if a.shape[0] < a.shape[1]:
        raise ValueError(f"lstsq needs at least as many rows as columns (shape: {a.shape})")
    q, r = qr(a)
    x = solve_triangular(r, _adjoint(q) @ b)
    error = abs(b - a @ x)
    residuals = reductions.sum(error * error, axis=0, keepdims=b.ndim == 1)
    parts = [(np.int64, ()), (np.empty(0, r.dtype).real.dtype, ((r.shape[1],),))]
    rank, s = run_parts(_rank_and_values, [], [(r, [0, 1])], parts, "svd")
    return x, residuals, rank, s


# ---- Norms -----------------------------------------------------------------------------------------------------------


def norm(x, ord=None, axis=None, keepdims=False) -> Array:
    """Norms of vectors or of matrices, as `numpy.linalg.norm` has them.

    Parameters
    ----------
    x : array-like
    ord : {None, "fro", "nuc", inf, -inf, int, float}, optional
        Which norm: by default the root of the sum of squares.
    axis : int or pair of int, optional
        The axis of the vectors or the axes of the matrices; by default all axes. Norms by singular values ("nuc", 2,
        -2) need a matrix that `svd` decomposes, or axes that are made whole if there are more than two.
    keepdims : bool
        Whether reduced axes stay, with length 1.

    Raises
    ------
    ValueError
        If vectors or matrices have no such norm, or ``axis`` has more than two.

    Examples
    --------
    >>> import selion.array as da
    >>> x = da.ones((3, 3), chunks=2)
    >>> da.linalg.norm(x).compute(), da.linalg.norm(x, 1, axis=0).compute()
    (np.float64(3.0), array([3., 3., 3.]))
    """
    x = asanyarray(x)
    if x.dtype.kind not in "fc":
        x = x.astype(float)
    if axis is None and ord is None:
        axes = list(range(x.ndim))
    else:
        axes = [manipulation._axis(int(k), x.ndim) for k in (range(x.ndim) if axis is None else np.atleast_1d(axis))]
        if len(axes) not in (1, 2):
            raise ValueError("Improper number of dimensions to norm.")
        if len(set(axes)) < len(axes):
            raise ValueError("Duplicate axes given.")
    matrices = len(axes) == 2
    if isinstance(ord, str) and not (matrices and ord in ("fro", "nuc")):
        raise ValueError(f"Invalid norm order for {'matrices' if matrices else 'vectors'}.")
    if ord is None or ord == "fro":
        size = abs(x)
        return _ufunc("sqrt", reductions.sum(size * size, tuple(axes), keepdims=keepdims))
    return (_matrix_norm if matrices else _vector_norm)(x, ord, axes, keepdims)


def _vector_norm(x, ord, axes, keepdims) -> Array:
    size = abs(x)
    if ord == np.inf:
        return reductions.max(size, axes[0], keepdims)
    if ord == -np.inf:
        return reductions.min(size, axes[0], keepdims)
    if ord == 0:
        return reductions.sum((size != 0).astype(size.dtype), axes[0], keepdims=keepdims)
    if ord == 1:
        return reductions.sum(size, axes[0], keepdims=keepdims)
    return reductions.sum(size**ord, axes[0], keepdims=keepdims) ** (1.0 / ord)


def _matrix_norm(x, ord, axes, keepdims) -> Array:
    if ord in ("nuc", 2, -2):
        if x.ndim > 2:
            x = x.rechunk(dict.fromkeys(axes, -1))
            labels = list(range(x.ndim))
            kept = labels if keepdims else [k for k in labels if k not in axes]
            real = np.empty(0, x.dtype).real.dtype

            def call(block):
                return np.linalg.norm(block, ord, tuple(axes), keepdims)

            return _run(call, kept, [(x, labels)], dict.fromkeys(axes, (1,)) if keepdims else {}, real, "norm")
        reduce = {"nuc": reductions.sum, 2: reductions.max, -2: reductions.min}[ord]
        result = reduce(svd(x, coerce_signs=False)[1])
        return result[None, None] if keepdims else result
    if ord not in (np.inf, -np.inf, 1, -1):
        raise ValueError("Invalid norm order for matrices.")
    summed, chosen = axes if abs(ord) == 1 else axes[::-1]
    sums = reductions.sum(abs(x), summed, keepdims=True)
    result = (reductions.max if ord > 0 else reductions.min)(sums, chosen, keepdims=True)
    return result if keepdims else result.squeeze(tuple(axes))
