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
