"""What a process holds while it computes within a small budget."""

import subprocess
import sys
from pathlib import Path

import pytest

import selion.array as da

BUDGET, MIB = 64, 2**20

CHILD = """
import sys
from pathlib import Path
import selion, selion.array as da

def resident(what):
    status = Path("/proc/self/status").read_text()
    return int(status.split(what + ":")[1].split()[0]) * 1024

(da.ones((8, 8), chunks=4) + 1).sum().compute()  # threads, imports
before = resident("VmRSS")
da.from_zarr(sys.argv[1]).rechunk((8000, 8, 10)).to_zarr(sys.argv[2])
print(resident("VmHWM") - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is measured by way of /proc")
def test_rechunking_a_store_larger_than_memory_keeps_to_the_budget(tmp_path, monkeypatch):
    """500 MB in 80 blocks, cut into 64 KB pieces of which most go to disk and back."""
    monkeypatch.setenv("SELION_MEMORY_LIMIT", f"{BUDGET}MiB")
    monkeypatch.setenv("SELION_NUM_WORKERS", "2")
    rows, columns = tmp_path / "rows.zarr", tmp_path / "columns.zarr"
    x = da.random.default_rng(0).random((8000, 64, 128), chunks=(100, 64, 128))
    x.to_zarr(rows)
    command = [sys.executable, "-c", CHILD, str(rows), str(columns)]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    # Beside the budget: what is kept for reuse, of each thread one block, put together and encoded, and code.
    block = 8000 * 8 * 10 * 8
    assert int(out) < (BUDGET + BUDGET // 8 + 10) * MIB + 2 * 3 * block
    assert (da.from_zarr(columns)[::1000] == x[::1000]).all().compute()
