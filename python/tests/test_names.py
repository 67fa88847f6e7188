"""The names that every program of arrays uses are there; the rest of Dask's say that they are not there yet."""

# ruff: noqa: SIM905

import pytest

import selion.array as da
from selion.array._names import NAMES

FIRST = """
    Array abs absolute add all allclose any arange argmax argmin around array asanyarray asarray block blockwise
    bool broadcast_arrays broadcast_to ceil clip complex128 complex64 compute concatenate cos cumsum diff divide
    dot e empty empty_like equal exp expand_dims eye float32 float64 floor floor_divide from_array from_zarr
    full full_like greater greater_equal histogram inf int16 int32 int64 int8 isclose isfinite isinf isnan less
    less_equal linspace log log10 logical_and logical_not logical_or map_blocks matmul max maximum mean min
    minimum multiply nan nanmax nanmean nanmin nanstd nansum nanvar ndim negative newaxis not_equal ones
    ones_like pi power prod ravel rechunk reduction reshape result_type round shape sin sqrt square squeeze
    stack std store subtract sum take tan tensordot to_zarr transpose true_divide uint16 uint32 uint64 uint8
    unique var where zeros zeros_like
""".split()


@pytest.mark.parametrize("name", FIRST)
def test_name_is_there(name):
    assert hasattr(da, name)


def test_a_name_that_is_missing_names_itself():
    missing = [name for name in NAMES if name not in vars(da)]
    for name in missing:
        with pytest.raises(NotImplementedError, match=name):
            getattr(da, name)
    with pytest.raises(AttributeError):
        da.no_such_name  # noqa: B018
