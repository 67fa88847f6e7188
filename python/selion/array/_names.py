"""The names of ``dask.array``: one that selion does not have yet says so, instead of not being there."""

# ruff: noqa: SIM905

NAMES = frozenset(
    """
    Array PerformanceWarning abs absolute add all allclose angle any append apply_along_axis apply_gufunc
    apply_over_axes arange arccos arccosh arcsin arcsinh arctan arctan2 arctanh argmax argmin argtopk argwhere
    around array array_expr_enabled as_gufunc asanyarray asarray assert_eq atleast_1d atleast_2d atleast_3d atop
    average bincount bitwise_and bitwise_not bitwise_or bitwise_xor block blockwise bool broadcast_arrays
    broadcast_to cbrt ceil choose clip coarsen complex128 complex64 compress compute concatenate conj copysign
    corrcoef cos cosh count_nonzero cov cumprod cumsum deg2rad degrees delete diag diagonal diff digitize divide
    divmod dot dstack e ediff1d einsum empty empty_like equal euler_gamma exp exp2 expand_dims expm1 extract eye
    fabs fix flatnonzero flip fliplr flipud float32 float64 float_power floor floor_divide fmax fmin fmod frexp
    from_array from_delayed from_npy_stack from_tiledb from_zarr fromfunction frompyfunc full full_like gradient
    greater greater_equal gufunc histogram histogram2d histogramdd hstack hypot i0 imag indices inf insert int16
    int32 int64 int8 invert isclose iscomplex isfinite isin isinf isnan isneginf isnull isposinf isreal ldexp
    left_shift less less_equal linspace log log10 log1p log2 logaddexp logaddexp2 logical_and logical_not
    logical_or logical_xor map_blocks map_overlap matmul max maximum mean median meshgrid min minimum mod modf
    moment moveaxis multiply nan nan_to_num nanargmax nanargmin nancumprod nancumsum nanmax nanmean nanmedian
    nanmin nanpercentile nanprod nanquantile nanstd nansum nanvar ndim negative newaxis nextafter nonzero
    not_equal notnull ones ones_like optimize outer pad percentile pi piecewise positive power prod ptp push
    quantile rad2deg radians ravel ravel_multi_index real rechunk reciprocal reduction register_chunk_type
    remainder repeat reshape reshape_blockwise result_type right_shift rint roll rollaxis rot90 round
    searchsorted select shape shuffle sign signbit sin sinc sinh spacing sqrt square squeeze stack std store
    subtract sum swapaxes take tan tanh tensordot tile to_hdf5 to_npy_stack to_tiledb to_zarr topk trace
    transpose tri tril tril_indices tril_indices_from triu triu_indices triu_indices_from true_divide trunc
    uint16 uint32 uint64 uint8 unify_chunks union1d unique unravel_index var vdot vstack where zeros zeros_like
    """.split()
)
