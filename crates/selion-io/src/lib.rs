//! Storage as sources and sinks of chunks: Zarr, npy.
