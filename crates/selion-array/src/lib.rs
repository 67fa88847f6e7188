//! Lazy chunked arrays: expressions, chunk algebra, optimiser, lowering to task graphs.
