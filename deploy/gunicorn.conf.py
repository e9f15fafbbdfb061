"""gunicorn for authsvc: threads, no control socket, no header from a proxy that could change the path.

``GUNICORN_BIND``, ``GUNICORN_WORKERS`` and ``GUNICORN_THREADS`` override the defaults. The application is loaded once,
before the workers are forked from it; ``GUNICORN_PRELOAD=off`` loads it in each, so that SIGHUP takes new code.

``GUNICORN_REUSE_PORT=on`` gives each worker a queue of its own, so that connections which are kept alive spread evenly;
with one queue a burst of them can land at one worker. Then nothing stops a second server from being started on the same
port, and what waits at a worker that ends is reset: right behind a proxy that tries again.
"""

import gc
import os
from importlib import import_module

from django.conf import settings
from django.db import connections

wsgi_app = "authsvc.wsgi:application"
bind = os.environ.get("GUNICORN_BIND", "127.0.0.1:8000")
reuse_port = os.environ.get("GUNICORN_REUSE_PORT", "off") == "on" and not bind.startswith("unix:")
worker_class = "gthread"
workers = int(os.environ.get("GUNICORN_WORKERS", "2"))
os.environ["AUTHSVC_PROCESSES"] = str(workers)  # one alone keeps its rate limits in memory
threads = int(os.environ.get("GUNICORN_THREADS", "4"))
umask = 0o077
graceful_timeout = 30
keepalive = 30
limit_request_line = 8190
limit_request_field_size = 16380
control_socket_disable = True
forwarder_headers = ""  # a SCRIPT_NAME header from a local proxy would move every route
forwarded_allow_ips = ""
preload_app = os.environ.get("GUNICORN_PRELOAD", "on") != "off"
accesslog = None


def when_ready(_server):
    """Load every page before the first fork, not in each worker at its first request; share it for good."""
    if preload_app:
        import_module(settings.ROOT_URLCONF)
        gc.freeze()


def pre_fork(_server, _worker):
    """Hand no open connection to a worker: each opens its own."""
    if preload_app:
        connections.close_all()
