import re
from importlib.metadata import version

import selion


def test_version_is_the_wheels():
    assert re.fullmatch(r"\d+\.\d+\.\d+", selion.__version__)
    assert selion.__version__ == version("selion")
