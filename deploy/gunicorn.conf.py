"""gunicorn for authsvc: threads, no control socket, no header from a proxy that could change the path.

``GUNICORN_BIND``, ``GUNICORN_WORKERS`` and ``GUNICORN_THREADS`` override the defaults.
"""

import os

wsgi_app = "authsvc.wsgi:application"
bind = os.environ.get("GUNICORN_BIND", "127.0.0.1:8000")
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
preload_app = False
accesslog = None
