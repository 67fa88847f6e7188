//! Lazy chunked arrays and task graphs that run on every core, larger than memory.
