"""Routes of the devices API, below ``/api/v1/``."""

from django.urls import path

from authsvc.web import paths  # noqa: F401 - registers <id:…>
from devices import views

urlpatterns = [
    path("devices", views.DeviceList.as_view()),
    path("devices/<id:device_id>", views.DeviceDetail.as_view()),
    path("devices/<id:device_id>/approve", views.DeviceApproval.as_view()),
    path("devices/<id:device_id>/reject", views.DeviceRejection.as_view()),
    path("devices/<id:device_id>/suspend", views.DeviceSuspension.as_view()),
    path("devices/<id:device_id>/resume", views.DeviceResumption.as_view()),
    path("devices/<id:device_id>/revoke", views.DeviceRevocation.as_view()),
    path("devices/<id:device_id>/trust", views.DeviceTrustLevel.as_view()),
    path("devices/<id:device_id>/rotate-secret", views.DeviceSecretRotation.as_view()),
    path("devices/<id:device_id>/history", views.DeviceHistory.as_view()),
]
