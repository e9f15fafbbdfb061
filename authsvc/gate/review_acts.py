"""Makes every room's acts known to the reviews: importing this registers them."""

from authsvc.gate import promotion
from devices.services import reviewed as devices
from rbac.services import reviewed as rights

ROOMS = (promotion, devices, rights)
