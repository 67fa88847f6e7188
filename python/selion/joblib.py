"""selion's threads for joblib, and so for scikit-learn: import this, then ``joblib.parallel_backend("selion")``."""

from __future__ import annotations

try:
    from joblib import register_parallel_backend
    from joblib._parallel_backends import AutoBatchingMixin, ParallelBackendBase
except ImportError as error:
    raise ImportError("selion.joblib needs joblib: pip install 'joblib>=1.3'") from error

import os

from selion.futures import ThreadExecutor

__all__ = ["SelionBackend"]


class SelionBackend(AutoBatchingMixin, ParallelBackendBase):
    """Runs joblib's batches of calls on selion's threads."""

    supports_retrieve_callback = True
    uses_threads = True
    supports_sharedmem = True
    supports_return_generator = True

    def effective_n_jobs(self, n_jobs):
        """How many calls run at once."""
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        cores = len(os.sched_getaffinity(0))
        if n_jobs is None:
            return 1
        return max(cores + 1 + n_jobs, 1) if n_jobs < 0 else n_jobs

    def configure(self, n_jobs=1, parallel=None, **kwargs):
        """Begins a series of calls."""
        n_jobs = self.effective_n_jobs(n_jobs)
        self.parallel = parallel
        self._executor = ThreadExecutor(n_jobs)
        return n_jobs

    def submit(self, func, callback=None):
        """The result to come of a batch."""
        future = self._executor.submit(func)
        if callback is not None:
            future.add_done_callback(callback)
        return future

    apply_async = submit

    def retrieve_result_callback(self, out):
        """The result of a batch that has ended."""
        return out.result()

    def terminate(self):
        """Ends the series."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def abort_everything(self, ensure_ready=True):
        """Ends the series, and begins another if that is wanted."""
        self.terminate()
        if ensure_ready:
            self.configure(n_jobs=self.parallel.n_jobs, parallel=self.parallel)


register_parallel_backend("selion", SelionBackend)
