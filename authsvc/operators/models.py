"""What operators prove themselves with, where they are signed in, and who is invited. No secret is stored in clear."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.utils import timezone
from django_otp.models import Device, ThrottlingMixin
from django_otp.oath import TOTP

from authsvc.operators.sealing import hash_recovery_code, open_factor_key
from authsvc.tenants.models import MembershipRole, Operator
from authsvc.tenants.scoping import TenantOwned, TenantScopedManager
from authsvc.web.identifiers import new_id

SIX_DIGITS = re.compile(r"[0-9]{6}")
TOLERANCE_STEPS = 1  # of 30 seconds, either way

Row = TypeVar("Row", bound=models.Model)

if TYPE_CHECKING:  # django-otp ships no types

    class FactorBase(models.Model):
        """What every factor has."""

        name: Any
        confirmed: Any
        user_id: Any

        class Meta:
            abstract = True

else:
    FactorBase = Device


class FactorManager(models.Manager[Row]):
    """Finds an operator's factors, as django-otp asks for them."""

    def devices_for_user(self, user: Operator, confirmed: bool | None = None) -> models.QuerySet[Row]:  # noqa: FBT001
        """Return the factors of one operator; ``confirmed`` of ``None`` means all."""
        rows = self.filter(user_id=user.pk)
        return rows if confirmed is None else rows.filter(confirmed=confirmed)


def new_invitation_id() -> str:
    """Return an id such as ``inv_…``."""
    return new_id("inv")


class Throttled(ThrottlingMixin, FactorBase):  # type: ignore[misc]
    """A factor that is typed: each wrong code doubles the time until the next may be tried."""

    objects: ClassVar[FactorManager[Any]] = FactorManager()

    class Meta:
        abstract = True

    def get_throttle_factor(self) -> float:
        """Return the seconds after the first wrong code."""
        return 1


class Authenticator(Throttled):
    """A time-based code (RFC 6238, 6 digits, 30 seconds). Its key is sealed; a code works once."""

    sealed_key = models.TextField()
    last_step = models.BigIntegerField(default=-1)
    drift = models.SmallIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user"], condition=models.Q(confirmed=True), name="authenticator_one_confirmed"
            )
        ]

    def verify_token(self, token: str) -> bool:
        """True for a code of now that was not used before; call with the row locked."""
        is_allowed, _ = self.verify_is_allowed()
        if not is_allowed or not SIX_DIGITS.fullmatch(token):
            return False
        totp = TOTP(open_factor_key(self.user_id, self.sealed_key), drift=self.drift)
        totp.time = time.time()
        if not totp.verify(int(token), TOLERANCE_STEPS, self.last_step + 1):
            self.throttle_increment()
            return False
        self.last_step, self.drift = totp.t(), totp.drift
        self.throttle_reset(commit=False)
        self.save()
        return True


class RecoveryCodes(Throttled):
    """An operator's recovery codes, each kept as a keyed hash and deleted when used."""

    def verify_token(self, token: str) -> bool:
        """True for a code of this set, which is gone afterwards; call with the row locked."""
        is_allowed, _ = self.verify_is_allowed()
        if not is_allowed or SIX_DIGITS.fullmatch(token):
            return False
        used, _ = RecoveryCode.objects.filter(codes=self, code_hash=hash_recovery_code(self.user_id, token)).delete()
        if not used:
            self.throttle_increment()
            return False
        self.throttle_reset()
        return True


class RecoveryCode(models.Model):
    """One code that was not used yet."""

    codes = models.ForeignKey(RecoveryCodes, on_delete=models.CASCADE, related_name="codes")
    code_hash = models.CharField(max_length=64)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["codes", "code_hash"], name="recovery_code_once")]

    def __str__(self) -> str:
        return f"code {self.pk}"


class Passkey(FactorBase):
    """A public key of an operator's device or security key (WebAuthn); nothing here is secret."""

    credential_id = models.CharField(max_length=1400, unique=True)
    credential_data = models.BinaryField()
    sign_count = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[FactorManager[Any]] = FactorManager()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return str(self.name)


class UsedChallenge(models.Model):
    """A challenge of a passkey that was answered: no answer counts twice."""

    challenge_hash = models.CharField(max_length=64, primary_key=True)
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.challenge_hash[:8]


class OperatorSession(AbstractBaseSession):
    """One signed-in browser. The key of its cookie is stored as a hash, so the table opens no session."""

    session_key = models.CharField(max_length=64, primary_key=True)
    public_id = models.CharField(max_length=40, db_index=True)
    operator = models.ForeignKey(Operator, null=True, on_delete=models.CASCADE, related_name="+")
    signed_in_at = models.DateTimeField(null=True)
    address = models.CharField(max_length=45, blank=True)
    browser = models.CharField(max_length=60, blank=True)
    is_verified = models.BooleanField(default=False)

    @classmethod
    def get_session_store_class(cls) -> Any:
        """Return the store of these rows."""
        from authsvc.operators.session_store import SessionStore  # noqa: PLC0415 - the store imports this model

        return SessionStore


class Invitation(TenantOwned):
    """A link that makes somebody a member of a tenant, once. Only a keyed hash of its secret is stored."""

    id = models.CharField(primary_key=True, max_length=40, default=new_invitation_id, editable=False)
    invited = models.CharField(max_length=254)
    role = models.CharField(max_length=10, choices=MembershipRole.choices)
    secret_hash = models.CharField(max_length=64, unique=True)
    invited_by = models.CharField(max_length=150)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.CharField(max_length=150, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    objects = TenantScopedManager["Invitation"]()

    class Meta:
        default_manager_name = "unscoped"
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["tenant", "-created_at"], name="invitation_by_tenant")]

    def __str__(self) -> str:
        return f"{self.invited} · {self.role}"
