"""The WSGI application. An unsafe production configuration stops the process here, before it answers anything."""

import gc
import os

from django.core.wsgi import get_wsgi_application

gc.disable()  # until all is loaded (apps.py)
os.umask(0o077)
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "authsvc.settings")

_django = get_wsgi_application()

from authsvc.gate import quick_views  # noqa: E402
from authsvc.gate.door import QuickDoor  # noqa: E402 - needs the loaded apps
from authsvc.ops.checks import require_safe_start  # noqa: E402
from authsvc.web.body_limit import BodyLimit  # noqa: E402
from profiles import quick  # noqa: E402

require_safe_start()
application = BodyLimit(QuickDoor(_django, {**quick_views.API_VIEWS, **quick.API_VIEWS}))
