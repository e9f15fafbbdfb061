import django.core.validators
import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.manager
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import authsvc.audit.models
import authsvc.operators.models
import authsvc.tenants.models
import authsvc.tenants.review_models
import authsvc.tokens.models
import authsvc.vault.models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.CreateModel(
            name="AuditHead",
            fields=[
                ("tenant_id", models.CharField(max_length=40, primary_key=True, serialize=False)),
                ("sequence", models.BigIntegerField(default=0)),
                ("changes", models.BigIntegerField(default=0)),
                ("changed_at", models.DateTimeField(null=True)),
                ("hash", models.CharField(max_length=64)),
            ],
        ),
        migrations.CreateModel(
            name="Environment",
            fields=[
                (
                    "id",
                    models.CharField(
                        default=authsvc.tenants.models.new_environment_id,
                        editable=False,
                        max_length=40,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        max_length=63,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A[a-z][a-z0-9-]{0,62}\\Z",
                                "Lower-case letters, digits and -, beginning with a letter.",
                            )
                        ],
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                "ordering": ["tenant__slug", "name"],
                "default_manager_name": "unscoped",
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="LimitBucket",
            fields=[
                ("key", models.CharField(max_length=100, primary_key=True, serialize=False)),
                ("full_at", models.BigIntegerField(db_index=True)),
            ],
        ),
        migrations.CreateModel(
            name="RightsReach",
            fields=[
                ("tenant_id", models.CharField(max_length=40, primary_key=True, serialize=False)),
                ("changes", models.BigIntegerField()),
                ("milliseconds", models.BigIntegerField()),
                ("measured_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="UsedChallenge",
            fields=[
                ("challenge_hash", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("expires_at", models.DateTimeField(db_index=True)),
            ],
        ),
        migrations.CreateModel(
            name="Operator",
            fields=[
                ("password", models.CharField(max_length=128, verbose_name="password")),
                ("last_login", models.DateTimeField(blank=True, null=True, verbose_name="last login")),
                (
                    "is_superuser",
                    models.BooleanField(
                        default=False,
                        help_text="Designates that this user has all permissions without explicitly assigning them.",
                        verbose_name="superuser status",
                    ),
                ),
                (
                    "id",
                    models.CharField(
                        default=authsvc.tenants.models.new_operator_id,
                        editable=False,
                        max_length=40,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("username", models.CharField(max_length=150, unique=True)),
                ("email", models.EmailField(blank=True, max_length=254)),
                ("is_active", models.BooleanField(default=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "groups",
                    models.ManyToManyField(
                        blank=True,
                        help_text="The groups this user belongs to. A user will get all permissions granted to each of their groups.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.group",
                        verbose_name="groups",
                    ),
                ),
                (
                    "user_permissions",
                    models.ManyToManyField(
                        blank=True,
                        help_text="Specific permissions for this user.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.permission",
                        verbose_name="user permissions",
                    ),
                ),
            ],
            options={
                "ordering": ["username"],
            },
        ),
        migrations.CreateModel(
            name="AuditCheckpoint",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("tenant_id", models.CharField(max_length=40)),
                ("sequence", models.BigIntegerField()),
                ("hash", models.CharField(max_length=64)),
                ("signed_at", models.DateTimeField()),
                ("public_key", models.CharField(max_length=64)),
                ("signature", models.CharField(max_length=128)),
            ],
            options={
                "ordering": ["-sequence"],
                "indexes": [models.Index(fields=["tenant_id", "-sequence"], name="audit_checkpoint_by_tenant")],
            },
        ),
        migrations.CreateModel(
            name="AuditEvent",
            fields=[
                (
                    "id",
                    models.CharField(
                        default=authsvc.audit.models.new_event_id, max_length=40, primary_key=True, serialize=False
                    ),
                ),
                ("tenant_id", models.CharField(max_length=40)),
                ("sequence", models.BigIntegerField()),
                ("event_type", models.CharField(max_length=60)),
                ("environment_id", models.CharField(blank=True, max_length=40)),
                ("actor_kind", models.CharField(max_length=20)),
                ("actor_id", models.CharField(max_length=150)),
                ("subject_id", models.CharField(blank=True, max_length=150)),
                ("request_id", models.CharField(blank=True, max_length=64)),
                ("address", models.CharField(blank=True, max_length=45)),
                ("occurred_at", models.DateTimeField()),
                ("detail", models.JSONField(default=dict)),
                ("previous_hash", models.CharField(max_length=64)),
                ("hash", models.CharField(max_length=64)),
            ],
            options={
                "ordering": ["-occurred_at", "-sequence"],
                "indexes": [
                    models.Index(fields=["-occurred_at", "-sequence"], name="audit_event_newest"),
                    models.Index(fields=["tenant_id", "event_type", "-sequence"], name="audit_event_by_type"),
                    models.Index(fields=["tenant_id", "subject_id", "-sequence"], name="audit_event_by_subject"),
                    models.Index(
                        fields=["tenant_id", "environment_id", "-sequence"], name="audit_event_by_environment"
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("tenant_id", "sequence"), name="audit_event_sequence_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="DecisionTally",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("tenant_id", models.CharField(max_length=40)),
                ("environment_id", models.CharField(max_length=40)),
                ("hour", models.DateTimeField()),
                ("allowed", models.BigIntegerField(default=0)),
                ("denied", models.BigIntegerField(default=0)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["tenant_id", "hour"], name="decision_tally_by_tenant"),
                    models.Index(fields=["hour"], name="decision_tally_by_hour"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("environment_id", "hour"), name="decision_tally_once_an_hour")
                ],
            },
        ),
        migrations.CreateModel(
            name="OperatorSession",
            fields=[
                ("session_data", models.TextField(verbose_name="session data")),
                ("expire_date", models.DateTimeField(db_index=True, verbose_name="expire date")),
                ("session_key", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("public_id", models.CharField(db_index=True, max_length=40)),
                ("signed_in_at", models.DateTimeField(null=True)),
                ("address", models.CharField(blank=True, max_length=45)),
                ("browser", models.CharField(blank=True, max_length=60)),
                ("is_verified", models.BooleanField(default=False)),
                (
                    "operator",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "session",
                "verbose_name_plural": "sessions",
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Passkey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(help_text="The human-readable name of this device.", max_length=64)),
                ("confirmed", models.BooleanField(default=True, help_text="Is this device ready for use?")),
                ("credential_id", models.CharField(max_length=1400, unique=True)),
                ("credential_data", models.BinaryField()),
                ("sign_count", models.BigIntegerField(default=0)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("last_used_at", models.DateTimeField(blank=True, null=True)),
                (
                    "user",
                    models.ForeignKey(
                        help_text="The user that this device belongs to.",
                        on_delete=django.db.models.deletion.CASCADE,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="Principal",
            fields=[
                ("id", models.CharField(editable=False, max_length=40, primary_key=True, serialize=False)),
                (
                    "kind",
                    models.CharField(
                        choices=[("service_account", "Service Account"), ("device", "Device"), ("gateway", "Gateway")],
                        max_length=20,
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                (
                    "state",
                    models.CharField(
                        choices=[("active", "Active"), ("disabled", "Disabled")], default="active", max_length=10
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "environment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="authsvc.environment"
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
                "default_manager_name": "unscoped",
                "indexes": [
                    models.Index(fields=["environment", "kind", "-created_at"], name="principal_by_environment"),
                    models.Index(fields=["environment", "name"], name="principal_by_name"),
                ],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="RecoveryCodes",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(help_text="The human-readable name of this device.", max_length=64)),
                ("confirmed", models.BooleanField(default=True, help_text="Is this device ready for use?")),
                (
                    "throttling_failure_timestamp",
                    models.DateTimeField(
                        blank=True,
                        default=None,
                        help_text="A timestamp of the last failed verification attempt. Null if last attempt succeeded.",
                        null=True,
                    ),
                ),
                (
                    "throttling_failure_count",
                    models.PositiveIntegerField(default=0, help_text="Number of successive failed attempts."),
                ),
                (
                    "user",
                    models.ForeignKey(
                        help_text="The user that this device belongs to.",
                        on_delete=django.db.models.deletion.CASCADE,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Tenant",
            fields=[
                (
                    "id",
                    models.CharField(
                        default=authsvc.tenants.models.new_tenant_id,
                        editable=False,
                        max_length=40,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "slug",
                    models.CharField(
                        max_length=63,
                        unique=True,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A[a-z][a-z0-9-]{0,62}\\Z",
                                "Lower-case letters, digits and -, beginning with a letter.",
                            )
                        ],
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                (
                    "state",
                    models.CharField(
                        choices=[("active", "Active"), ("suspended", "Suspended"), ("destroyed", "Destroyed")],
                        default="active",
                        max_length=10,
                    ),
                ),
                (
                    "access_token_ttl_seconds",
                    models.PositiveIntegerField(default=3600, help_text="At most 86,400 (24 hours)."),
                ),
                (
                    "credential_warn_seconds",
                    models.PositiveIntegerField(
                        default=86400, help_text="A credential that ends within this time counts as expiring."
                    ),
                ),
                (
                    "lease_ttl_seconds",
                    models.PositiveIntegerField(
                        default=3600, help_text="How long a handed-out credential may be used."
                    ),
                ),
                (
                    "usage_retention_days",
                    models.PositiveSmallIntegerField(
                        default=30, help_text="How long tokens, leases and pairings are kept after their end, 1 to 365."
                    ),
                ),
                (
                    "audit_retention_days",
                    models.PositiveSmallIntegerField(
                        default=365,
                        help_text="How long audit events are kept, 30 to 3650; they end at a signed checkpoint.",
                    ),
                ),
                (
                    "retention_hold",
                    models.BooleanField(default=False, help_text="Nothing is purged while this is set."),
                ),
                (
                    "general_limit",
                    models.PositiveSmallIntegerField(
                        blank=True, help_text="Requests a minute, 1 to 1000; empty means the service's own.", null=True
                    ),
                ),
                (
                    "sensitive_limit",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        help_text="Sensitive requests a minute, 1 to 100; empty means the service's own.",
                        null=True,
                    ),
                ),
                (
                    "require_mfa",
                    models.BooleanField(default=False, help_text="Nobody works here without a second factor."),
                ),
                (
                    "four_eyes",
                    models.JSONField(blank=True, default=list, help_text="Acts that need a second operator."),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                "ordering": ["slug"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("usage_retention_days__gte", 1),
                            ("usage_retention_days__lte", 365),
                            ("audit_retention_days__gte", 30),
                            ("audit_retention_days__lte", 3650),
                        ),
                        name="tenant_retention_in_bounds",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("general_limit", None),
                                models.Q(("general_limit__gte", 1), ("general_limit__lte", 1000)),
                                _connector="OR",
                            ),
                            models.Q(
                                ("sensitive_limit", None),
                                models.Q(("sensitive_limit__gte", 1), ("sensitive_limit__lte", 100)),
                                _connector="OR",
                            ),
                        ),
                        name="tenant_limits_in_bounds",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("access_token_ttl_seconds__gte", 60), ("access_token_ttl_seconds__lte", 86400)
                        ),
                        name="tenant_access_token_ttl_in_bounds",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RefreshFamily",
            fields=[
                (
                    "id",
                    models.CharField(
                        default=authsvc.tokens.models.new_family_id,
                        editable=False,
                        max_length=40,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("client_id", models.CharField(max_length=128)),
                ("audience", models.CharField(max_length=255)),
                ("scopes", models.JSONField()),
                ("trust_level", models.PositiveSmallIntegerField(default=0)),
                ("grant_type", models.CharField(max_length=60)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("expires_at", models.DateTimeField()),
                ("last_used_at", models.DateTimeField(blank=True, null=True)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                ("end_reason", models.CharField(blank=True, max_length=200)),
                (
                    "environment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="authsvc.environment"
                    ),
                ),
                (
                    "principal",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="authsvc.principal"
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="authsvc.tenant"
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
                "default_manager_name": "unscoped",
                "indexes": [
                    models.Index(fields=["principal", "ended_at"], name="refresh_family_by_principal"),
                    models.Index(fields=["environment", "-created_at", "-id"], name="refresh_family_by_environment"),
                    models.Index(fields=["expires_at"], name="refresh_family_by_expiry"),
                ],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.AddField(
            model_name="principal",
            name="tenant",
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="authsvc.tenant"),
        ),
        migrations.CreateModel(
            name="Membership",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "role",
                    models.CharField(
                        choices=[
                            ("owner", "Owner"),
                            ("admin", "Admin"),
                            ("approver", "Approver"),
                            ("auditor", "Auditor"),
                        ],
                        max_length=10,
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "operator",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="memberships",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="authsvc.tenant"
                    ),
                ),
            ],
            options={
                "default_manager_name": "unscoped",
                "constraints": [
                    models.UniqueConstraint(fields=("operator", "tenant"), name="membership_once_per_tenant")
                ],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="IssuedToken",
            fields=[
                ("id", models.CharField(max_length=128, primary_key=True, serialize=False)),
                ("client_id", models.CharField(max_length=128)),
                ("audience", models.CharField(max_length=255)),
                ("scopes", models.JSONField()),
                ("grant_type", models.CharField(max_length=60)),
                ("trust_level", models.PositiveSmallIntegerField(default=0)),
                ("family_id", models.CharField(blank=True, max_length=40)),
                (
                    "actors",
                    models.JSONField(
                        default=list, help_text="Who acts for the principal, the present one first (RFC 8693)."
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("expires_at", models.DateTimeField()),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                (
                    "environment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="authsvc.environment"
                    ),
                ),
                (
                    "principal",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="authsvc.principal"
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="authsvc.tenant"
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
                "default_manager_name": "unscoped",
                "indexes": [
                    models.Index(fields=["environment", "-created_at", "-id"], name="issued_token_by_environment"),
                    models.Index(fields=["-created_at", "-id"], name="issued_token_newest"),
                    models.Index(fields=["principal", "expires_at"], name="issued_token_by_principal"),
                    models.Index(fields=["expires_at"], name="issued_token_by_expiry"),
                    models.Index(
                        condition=models.Q(("family_id", ""), _negated=True),
                        fields=["family_id"],
                        name="issued_token_by_family",
                    ),
                    models.Index(
                        condition=models.Q(("revoked_at__isnull", False)),
                        fields=["tenant", "expires_at"],
                        name="issued_token_revoked",
                    ),
                ],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="Invitation",
            fields=[
                (
                    "id",
                    models.CharField(
                        default=authsvc.operators.models.new_invitation_id,
                        editable=False,
                        max_length=40,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("invited", models.CharField(max_length=254)),
                (
                    "role",
                    models.CharField(
                        choices=[
                            ("owner", "Owner"),
                            ("admin", "Admin"),
                            ("approver", "Approver"),
                            ("auditor", "Auditor"),
                        ],
                        max_length=10,
                    ),
                ),
                ("secret_hash", models.CharField(max_length=64, unique=True)),
                ("invited_by", models.CharField(max_length=150)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("expires_at", models.DateTimeField()),
                ("accepted_at", models.DateTimeField(blank=True, null=True)),
                ("accepted_by", models.CharField(blank=True, max_length=150)),
                ("withdrawn_at", models.DateTimeField(blank=True, null=True)),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="authsvc.tenant"
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
                "default_manager_name": "unscoped",
                "indexes": [models.Index(fields=["tenant", "-created_at"], name="invitation_by_tenant")],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="IdempotentReply",
            fields=[
                (
                    "id",
                    models.CharField(
                        default=authsvc.vault.models.new_reply_id,
                        editable=False,
                        max_length=40,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("principal_id", models.CharField(max_length=150)),
                ("key_sha256", models.CharField(max_length=64)),
                ("request_hmac", models.CharField(max_length=64)),
                ("status", models.PositiveSmallIntegerField(null=True)),
                ("sealed", models.TextField(blank=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("expires_at", models.DateTimeField()),
                (
                    "environment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="authsvc.environment"
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="authsvc.tenant"
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "idempotent replies",
                "default_manager_name": "unscoped",
                "indexes": [models.Index(fields=["tenant", "expires_at"], name="idempotent_reply_by_expiry")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("environment", "principal_id", "key_sha256"), name="idempotent_reply_once_per_key"
                    )
                ],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.AddField(
            model_name="environment",
            name="tenant",
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="authsvc.tenant"),
        ),
        migrations.CreateModel(
            name="DataKey",
            fields=[
                (
                    "id",
                    models.CharField(
                        default=authsvc.vault.models.new_data_key_id,
                        editable=False,
                        max_length=40,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[("active", "Active"), ("retired", "Retired"), ("destroyed", "Destroyed")],
                        default="active",
                        max_length=10,
                    ),
                ),
                ("kek_id", models.CharField(max_length=64)),
                ("wrapped", models.TextField(blank=True)),
                ("seal_count", models.BigIntegerField(default=0)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("destroyed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "environment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="authsvc.environment"
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="authsvc.tenant"
                    ),
                ),
            ],
            options={
                "default_manager_name": "unscoped",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "active")),
                        fields=("environment",),
                        name="data_key_one_active_per_environment",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "destroyed"), _negated=True), ("wrapped", ""), _connector="OR"
                        ),
                        name="data_key_destroyed_is_empty",
                    ),
                ],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                ("id", models.CharField(max_length=40, primary_key=True, serialize=False)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("api_key", "Api Key"),
                            ("gateway_token", "Gateway Token"),
                            ("client_secret", "Client Secret"),
                            ("device_secret", "Device Secret"),
                        ],
                        max_length=20,
                    ),
                ),
                ("name", models.CharField(blank=True, max_length=200)),
                ("secret_hash", models.CharField(max_length=64)),
                (
                    "imported_hash",
                    models.CharField(
                        blank=True,
                        help_text="Finds a token that was made elsewhere.",
                        max_length=64,
                        null=True,
                        unique=True,
                    ),
                ),
                ("previous_secret_hash", models.CharField(blank=True, max_length=64)),
                ("previous_valid_until", models.DateTimeField(blank=True, null=True)),
                ("last_four", models.CharField(max_length=4)),
                ("scopes", models.JSONField(default=list)),
                ("address_ranges", models.JSONField(default=list)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("rotated_at", models.DateTimeField(blank=True, null=True)),
                (
                    "rotate_after",
                    models.DateTimeField(blank=True, help_text="From then on a new secret is due.", null=True),
                ),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                ("last_used_at", models.DateTimeField(blank=True, null=True)),
                (
                    "environment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="authsvc.environment"
                    ),
                ),
                (
                    "principal",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="authsvc.principal"
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="authsvc.tenant"
                    ),
                ),
            ],
            options={
                "verbose_name": "API key or secret",
                "verbose_name_plural": "API keys and secrets",
                "ordering": ["-created_at", "-id"],
                "default_manager_name": "unscoped",
                "indexes": [
                    models.Index(fields=["environment", "kind", "-created_at"], name="api_key_by_environment"),
                    models.Index(fields=["-created_at", "-id"], name="api_key_newest"),
                    models.Index(
                        condition=models.Q(("revoked_at__isnull", True)),
                        fields=["tenant", "rotate_after"],
                        name="api_key_by_rotation",
                    ),
                    models.Index(
                        django.db.models.functions.comparison.Coalesce("last_used_at", "created_at"),
                        models.F("tenant"),
                        condition=models.Q(("revoked_at__isnull", True)),
                        name="api_key_by_last_use",
                    ),
                ],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="AllowedOrigin",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("origin", models.CharField(max_length=200)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="authsvc.tenant"
                    ),
                ),
            ],
            options={
                "ordering": ["origin"],
                "default_manager_name": "unscoped",
                "indexes": [models.Index(fields=["origin"], name="allowed_origin_by_text")],
                "constraints": [
                    models.UniqueConstraint(fields=("tenant", "origin"), name="allowed_origin_once_per_tenant")
                ],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="UsedAssertion",
            fields=[
                ("id", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("expires_at", models.DateTimeField()),
                (
                    "environment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="authsvc.environment"
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="authsvc.tenant"
                    ),
                ),
            ],
            options={
                "default_manager_name": "unscoped",
                "indexes": [models.Index(fields=["expires_at"], name="used_assertion_by_expiry")],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="Authenticator",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(help_text="The human-readable name of this device.", max_length=64)),
                ("confirmed", models.BooleanField(default=True, help_text="Is this device ready for use?")),
                (
                    "throttling_failure_timestamp",
                    models.DateTimeField(
                        blank=True,
                        default=None,
                        help_text="A timestamp of the last failed verification attempt. Null if last attempt succeeded.",
                        null=True,
                    ),
                ),
                (
                    "throttling_failure_count",
                    models.PositiveIntegerField(default=0, help_text="Number of successive failed attempts."),
                ),
                ("sealed_key", models.TextField()),
                ("last_step", models.BigIntegerField(default=-1)),
                ("drift", models.SmallIntegerField(default=0)),
                (
                    "user",
                    models.ForeignKey(
                        help_text="The user that this device belongs to.",
                        on_delete=django.db.models.deletion.CASCADE,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("confirmed", True)), fields=("user",), name="authenticator_one_confirmed"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="TokenPolicy",
            fields=[
                (
                    "environment",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="token_policy",
                        serialize=False,
                        to="authsvc.environment",
                    ),
                ),
                ("access_token_seconds", models.PositiveIntegerField(blank=True, null=True)),
                ("refresh_idle_days", models.PositiveSmallIntegerField(default=30)),
                ("refresh_total_days", models.PositiveSmallIntegerField(default=90)),
                ("api_key_days", models.PositiveSmallIntegerField(default=365)),
                ("gateway_token_days", models.PositiveSmallIntegerField(default=365)),
                ("device_secret_days", models.PositiveSmallIntegerField(default=180)),
                ("rotation_due_days", models.PositiveSmallIntegerField(default=30)),
                ("rotate_keys_after_days", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("key_lead_days", models.PositiveSmallIntegerField(default=7)),
                ("rsa_bits", models.PositiveSmallIntegerField(default=2048)),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="authsvc.tenant"
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "token policies",
                "ordering": ["environment__tenant__slug", "environment__name"],
                "default_manager_name": "unscoped",
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="RecoveryCode",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("code_hash", models.CharField(max_length=64)),
                (
                    "codes",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="codes", to="authsvc.recoverycodes"
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("codes", "code_hash"), name="recovery_code_once")],
            },
        ),
        migrations.CreateModel(
            name="SigningKey",
            fields=[
                (
                    "id",
                    models.CharField(
                        default=authsvc.tokens.models.new_signing_key_id,
                        editable=False,
                        max_length=40,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("kid", models.CharField(max_length=64, unique=True)),
                ("algorithm", models.CharField(max_length=10)),
                ("audience", models.CharField(blank=True, max_length=255)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("next", "Next"),
                            ("active", "Active"),
                            ("retiring", "Retiring"),
                            ("retired", "Retired"),
                        ],
                        max_length=10,
                    ),
                ),
                ("public_jwk", models.JSONField()),
                ("private_sealed", models.TextField(blank=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("activated_at", models.DateTimeField(blank=True, null=True)),
                ("retire_at", models.DateTimeField(blank=True, null=True)),
                (
                    "environment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="authsvc.environment"
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="authsvc.tenant"
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
                "default_manager_name": "unscoped",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "active")),
                        fields=("environment", "algorithm", "audience"),
                        name="signing_key_one_active_per_algorithm",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state", "next")),
                        fields=("environment", "algorithm", "audience"),
                        name="signing_key_one_next_per_algorithm",
                    ),
                ],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="Review",
            fields=[
                (
                    "id",
                    models.CharField(
                        default=authsvc.tenants.review_models.new_review_id,
                        editable=False,
                        max_length=40,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("act", models.CharField(max_length=20)),
                ("fields", models.JSONField(default=dict)),
                (
                    "lines",
                    models.JSONField(default=list, help_text="[{what, before, after}], as the requester saw them."),
                ),
                ("digest", models.CharField(max_length=64)),
                ("reason", models.CharField(blank=True, max_length=2000)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("applied", "Applied"),
                            ("rejected", "Rejected"),
                            ("withdrawn", "Withdrawn"),
                        ],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                ("requested_by", models.CharField(max_length=150)),
                ("requested_kind", models.CharField(max_length=20)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("expires_at", models.DateTimeField()),
                ("decided_by", models.CharField(blank=True, max_length=150)),
                ("decided_at", models.DateTimeField(blank=True, null=True)),
                ("decision_reason", models.CharField(blank=True, max_length=2000)),
                (
                    "environment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="authsvc.environment"
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="authsvc.tenant"
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
                "default_manager_name": "unscoped",
                "indexes": [
                    models.Index(fields=["environment", "state", "-created_at"], name="review_by_state"),
                    models.Index(fields=["environment", "-created_at", "-id"], name="review_by_environment"),
                ],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="RefreshToken",
            fields=[
                ("id", models.CharField(max_length=40, primary_key=True, serialize=False)),
                ("secret_hash", models.CharField(max_length=64)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("expires_at", models.DateTimeField()),
                ("spent_at", models.DateTimeField(blank=True, null=True)),
                ("answered_at", models.DateTimeField(blank=True, null=True)),
                ("spent_from", models.CharField(blank=True, max_length=64)),
                (
                    "environment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="authsvc.environment"
                    ),
                ),
                (
                    "family",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="tokens", to="authsvc.refreshfamily"
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="authsvc.tenant"
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
                "default_manager_name": "unscoped",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("spent_at__isnull", True)),
                        fields=("family",),
                        name="refresh_token_one_unspent",
                    )
                ],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.AddConstraint(
            model_name="environment",
            constraint=models.UniqueConstraint(fields=("tenant", "name"), name="environment_name_once_per_tenant"),
        ),
    ]
