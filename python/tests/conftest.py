"""Property tests draw the same cases each time, so that a run can be repeated; SELION_TEST_RANDOM=1 draws new ones."""

import os

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("random", deadline=None)
# It is no setting of selion, which refuses those that it does not know.
settings.load_profile("random" if os.environ.pop("SELION_TEST_RANDOM", None) else "repeatable")
