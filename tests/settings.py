"""Settings of the test suite: fixed secrets, fast password hashing, a database of its own, never the machine's."""

import os
import tempfile
from pathlib import Path

STATE = Path(tempfile.mkdtemp(prefix="authsvc-tests-"))
os.environ.update(
    {
        "AUTHSVC_ENV": "development",
        "AUTHSVC_SECRET_KEY": "Zk3vQ8pW1nR5tY7uB2mX9cL4hJ6gF0dS-aE_tests-only",
        "AUTHSVC_KEKS": "tests-1:q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=",
        "AUTHSVC_BASE_URL": "http://testserver",
        "DATABASE_URL": os.environ.get("TEST_DATABASE_URL") or f"sqlite:///{STATE / 'tests.sqlite3'}",
    }
)
# A browser driven from a test leaves an event loop behind; Django would refuse queries beside it.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
os.environ.pop("REDIS_URL", None)
os.environ.pop("AUTHSVC_DEBUG", None)

from authsvc.settings import *  # noqa: E402, F403

STATE_DIRECTORY = STATE
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1", "[::1]"]
AUTHSVC_PROCESSES = 1  # counts of requests and failures stay in the memory of the test's process
AUTHSVC_DEMO_LIMITS = "off"  # tests of the limits switch them on
WHITENOISE_AUTOREFRESH = True  # a static file is looked for when asked; else each new test client reads all of them
