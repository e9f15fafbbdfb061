"""Routes of the devices API, below ``/api/v1/``."""

from django.urls import path

from authsvc.web import paths  # noqa: F401 - registers <id:…>
from devices.views import decisions, devices, fleet, inbox

urlpatterns = [
    path("devices", devices.DeviceList.as_view()),
    path("devices/enrol", fleet.FleetEnrolment.as_view()),
    path("devices/inbox", inbox.DeviceInbox.as_view()),
    path("devices/reject", inbox.DeviceRejections.as_view()),
    path("devices/policy", fleet.DeviceRules.as_view()),
    path("devices/enrolment-codes", fleet.EnrolmentCodeList.as_view()),
    path("devices/enrolment-codes/<id:code_id>", fleet.EnrolmentCodeDetail.as_view()),
    path("devices/<id:device_id>", devices.DeviceDetail.as_view()),
    path("devices/<id:device_id>/approve", decisions.DeviceApproval.as_view()),
    path("devices/<id:device_id>/reject", decisions.DeviceRejection.as_view()),
    path("devices/<id:device_id>/suspend", decisions.DeviceSuspension.as_view()),
    path("devices/<id:device_id>/resume", decisions.DeviceResumption.as_view()),
    path("devices/<id:device_id>/revoke", decisions.DeviceRevocation.as_view()),
    path("devices/<id:device_id>/confirm", decisions.DeviceConfirmation.as_view()),
    path("devices/<id:device_id>/trust", decisions.DeviceTrustLevel.as_view()),
    path("devices/<id:device_id>/rotate-secret", devices.DeviceSecretRotation.as_view()),
    path("devices/<id:device_id>/history", devices.DeviceHistory.as_view()),
]
