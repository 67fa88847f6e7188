"""Property tests draw the same cases each time, so that a run can be repeated; SELION_TEST_RANDOM=1 draws new ones."""

import os

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("random", deadline=None)
# It is no setting of selion, which refuses those that it does not know.
settings.load_profile("random" if os.environ.pop("SELION_TEST_RANDOM", None) else "repeatable")


def install_entry_points() -> None:
    """Lets others find what pyproject.toml offers them, also where selion runs from its source tree."""
    import sys
    import tempfile
    import tomllib
    from importlib.metadata import entry_points
    from pathlib import Path

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    offered = project["entry-points"]
    if all(entry_points(group=group, name=name) for group, names in offered.items() for name in names):
        return
    folder = Path(tempfile.mkdtemp(prefix="selion-tests-"))
    info = folder / "selion-0.0.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: selion\nVersion: 0.0.0\n")
    lines = []
    for group, names in offered.items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in names.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    sys.path.insert(0, str(folder))


install_entry_points()
