#!/usr/bin/env bash
# Every Rust file opens with a line that says what it is, and nothing is left for later in the code.
set -euo pipefail
cd "$(dirname "$0")/.."

failed=0
while read -r file; do
    if [[ $(head -n 1 "$file") != "//! "* ]]; then
        echo "$file: the first line must be a //! header" >&2
        failed=1
    fi
done < <(git ls-files --cached --others --exclude-standard -- '*.rs')

if git grep -nE --untracked '\b(todo|unimplemented)!' -- '*.rs' >&2; then
    echo "finish these, or return an error that names what is missing" >&2
    failed=1
fi
exit "$failed"
