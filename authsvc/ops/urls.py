"""Health: the only routes besides keys, metadata and the API description that answer without proof."""

from django.urls import path

from authsvc.ops.health import live, ready
from authsvc.ops.metrics import metrics
from authsvc.web.methods import require_read

urlpatterns = [
    path("health", require_read(live)),
    path("healthz", require_read(live)),
    path("health/live", require_read(live)),
    path("health/ready", require_read(ready)),
    path("metrics", require_read(metrics)),
]
