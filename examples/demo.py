"""What `make demo` runs."""

import selion

print(f"selion {selion.__version__}: the demonstration follows with selion.array.")
