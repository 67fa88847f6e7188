//! Runs a task graph on this machine: threads, memory ledger, spilling, cancellation.
