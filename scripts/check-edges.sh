#!/usr/bin/env bash
# Asserts the edges between crates that must not exist, directly or through others, and one that must.
set -euo pipefail
cd "$(dirname "$0")/.."

failed=0
members=$(cargo metadata --no-deps --format-version 1 | grep -o '"manifest_path":"[^"]*/crates/[^/"]*/' | sed 's|.*/crates/||; s|/$||')

has() { grep -qx "$1" <<<"$members"; }
uses() { cargo tree --quiet -p "$1" -e normal --all-features --prefix none --format '{p}' | cut -d' ' -f1 | grep -qx "$2"; }

# A crate, then what it must never reach.
while read -r crate forbidden; do
    has "$crate" || continue
    for other in $forbidden; do
        if uses "$crate" "$other"; then
            echo "forbidden edge: $crate reaches $other" >&2
            cargo tree --quiet -p "$crate" -e normal --all-features -i "$other" >&2
            failed=1
        fi
    done
done <<'EDGES'
selion-core      tokio pyo3 rayon selion-kernels selion-array selion-runtime selion-io selion-net selion-scheduler
selion-net       selion-core selion-kernels
selion-kernels   tokio pyo3 selion-array selion-runtime selion-io
selion-draw      tokio pyo3 selion-array selion-runtime selion-io
selion-array     tokio pyo3 selion-runtime selion-io zarrs object_store
selion-delayed   tokio pyo3 selion-runtime selion-io
selion-lift      tokio pyo3 selion-delayed selion-runtime selion-io
selion-macros    tokio pyo3 selion-core selion-array selion-delayed selion-runtime selion
selion-runtime   tokio pyo3 selion-array selion-io selion-net
selion-scheduler tokio pyo3 selion-net selion-array selion-runtime selion-io
selion-dashboard selion-runtime selion-cluster
selion-io        pyo3 selion-array selion-runtime selion-cluster
selion-cluster   pyo3 selion-array selion-io selion-gateway
selion-gateway   pyo3 selion-core selion-kernels selion-array selion-runtime selion-io selion-scheduler
selion           pyo3 clap
EDGES

# One that must exist: if it cannot be seen, neither can the others.
if ! uses selion-array selion-core; then
    echo "missing edge: selion-array must use selion-core" >&2
    failed=1
fi
exit "$failed"
