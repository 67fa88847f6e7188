"""Plugs of other libraries: executors, joblib."""

from __future__ import annotations

import threading
import time
from concurrent.futures import CancelledError, Executor, as_completed, wait

import numpy as np
import pytest

from selion.futures import ThreadExecutor


def test_an_executor_of_concurrent_futures():
    with ThreadExecutor(2) as executor:
        assert isinstance(executor, Executor)
        futures = [executor.submit(pow, k, 2) for k in range(50)]
        assert {future.result() for future in as_completed(futures)} == {k**2 for k in range(50)}
        assert list(executor.map(lambda x, y: x + y, range(5), range(5))) == [0, 2, 4, 6, 8]
        failed = executor.submit(int, "x")
        assert isinstance(failed.exception(), ValueError)
        with pytest.raises(ValueError, match="invalid literal"):
            failed.result()
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(int)
    with pytest.raises(ValueError, match="greater than 0"):
        ThreadExecutor(0)


def test_an_executor_bounds_what_runs_at_once_and_cancels():
    begin = threading.Event()
    executor = ThreadExecutor(2)
    futures = [executor.submit(begin.wait, 10) for _ in range(5)]
    time.sleep(0.05)
    assert sum(future.running() for future in futures) == 2
    assert futures[4].cancel()
    begin.set()
    executor.shutdown()
    done, _ = wait(futures[:4])
    assert all(future.result() for future in done)
    with pytest.raises(CancelledError):
        futures[4].result()


def test_executors_of_dask():
    dask = pytest.importorskip("dask")
    with ThreadExecutor(2) as executor:
        assert dask.delayed(sum)([dask.delayed(abs)(-k) for k in range(5)]).compute(scheduler=executor) == 10


def test_joblib():
    joblib = pytest.importorskip("joblib")
    import selion.joblib  # noqa: F401

    with joblib.parallel_backend("selion", n_jobs=2):
        assert joblib.Parallel()(joblib.delayed(pow)(k, 2) for k in range(100)) == [k**2 for k in range(100)]
        with pytest.raises(ZeroDivisionError):
            joblib.Parallel()(joblib.delayed(divmod)(1, k) for k in range(3))


def test_grid_search():
    pytest.importorskip("sklearn")
    joblib = pytest.importorskip("joblib")
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import GridSearchCV

    import selion.joblib  # noqa: F401

    rng = np.random.default_rng(0)
    x, y = rng.random((60, 5)), rng.random(60)
    search = GridSearchCV(Ridge(), {"alpha": [0.1, 1.0, 10.0]}, cv=3)
    plain = search.fit(x, y).cv_results_["mean_test_score"]
    with joblib.parallel_backend("selion", n_jobs=2):
        np.testing.assert_allclose(search.fit(x, y).cv_results_["mean_test_score"], plain)


def test_the_array_api_namespace():
    import selion.array as da

    data = np.arange(12.0).reshape(3, 4)
    x = da.from_array(data, chunks=2)
    xp = da
    assert not hasattr(x, "__array_namespace__")  # xarray would refuse to index by points
    pairs = [
        (xp.permute_dims(x, (1, 0)), data.T),
        (xp.concat([x, x], axis=1), np.concatenate([data, data], axis=1)),
        (xp.concat([x, x], axis=None), np.concatenate([data.ravel(), data.ravel()])),
        (xp.astype(x, xp.int64), data.astype("i8")),
        (xp.matrix_transpose(x), data.T),
        (x.mT, data.T),
        (xp.vecdot(x, x), (data * data).sum(-1)),
        (xp.cumulative_sum(x, axis=1), data.cumsum(1)),
        (xp.cumulative_prod(x, axis=0, include_initial=True), np.vstack([np.ones(4), data.cumprod(0)])),
        (xp.pow(x, 2), data**2),
        (xp.acos(x / 20), np.arccos(data / 20)),
        (xp.unique_values(x % 3), [0, 1, 2]),
        (xp.unique_counts(x % 3).counts, [4, 4, 4]),
        (xp.unique_inverse(x % 3).inverse_indices, data % 3),
        (xp.unique_all(x % 3).indices, [0, 1, 2]),
        (xp.stack(xp.unstack(x, axis=1), axis=1), data),
        (xp.from_dlpack(data), data),
        (np.from_dlpack(x), data),
    ]
    for got, wanted in pairs:
        np.testing.assert_allclose(np.asarray(got), wanted)
    assert xp.isdtype(x.dtype, "real floating")
    info = xp.__array_namespace_info__()
    assert info.default_device() == x.device == x.to_device("cpu").device
    assert set(info.dtypes(kind="bool")) == {"bool"}
    with pytest.raises(ValueError, match="device"):
        x.to_device("gpu")
    with pytest.raises(ValueError, match="two axes"):
        xp.matrix_transpose(x[0])


def test_einops():
    einops = pytest.importorskip("einops")
    import selion.array as da

    data = np.arange(24.0).reshape(2, 3, 4)
    x = da.from_array(data, chunks=2)
    try:
        turned = einops.rearrange(x, "a b c -> c (a b)")
    except RuntimeError:
        pytest.skip("this release of einops knows its libraries by their names")
    np.testing.assert_array_equal(turned.compute(), data.transpose(2, 0, 1).reshape(4, 6))


def test_opt_einsum():
    opt_einsum = pytest.importorskip("opt_einsum")
    import selion.array as da

    data = np.random.default_rng(0).random((6, 6))
    x = da.from_array(data, chunks=3)
    product = opt_einsum.contract("ij,jk,kl->il", x, x, x)
    assert isinstance(product, da.Array)
    np.testing.assert_allclose(product.compute(), data @ data @ data)


def test_none_of_the_others_is_needed():
    import subprocess
    import sys
    from pathlib import Path

    import selion

    code = """
import sys
for name in ("dask", "xarray", "joblib", "zarr"):
    sys.modules[name] = None
import numpy as np
import selion, selion.array as da, selion.bag, selion.dask, selion.futures, selion.xarray
assert da.arange(4, chunks=2).sum().compute() == 6
assert selion.delayed(abs)(-1).compute() == 1
for use, needs in (
    (lambda: selion.get({"x": 1}, "x"), "dask[array]>=2025.1"),
    (selion.dask.enable, "dask[array]>=2025.1"),
    (lambda: selion.dask.to_dask(da.ones(3)), "dask[array]>=2025.1"),
    (selion.xarray.use, "xarray>=2025.1"),
    (lambda: __import__("selion.joblib"), "joblib>=1.3"),
):
    try:
        use()
    except ImportError as error:
        assert f"pip install '{needs}'" in str(error), error
    else:
        raise AssertionError(needs)
"""
    folder = Path(selion.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
