import django.db.models.deletion
import django.db.models.manager
import django.utils.timezone
from django.db import migrations, models

import devices.models
import devices.states
import devices.trust


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("authsvc", "0001_initial"),
        ("rbac", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Device",
            fields=[
                ("id", models.CharField(editable=False, max_length=40, primary_key=True, serialize=False)),
                (
                    "device_type",
                    models.CharField(
                        choices=[
                            ("esp32", "Esp32"),
                            ("browser", "Browser"),
                            ("cli", "Cli"),
                            ("mcp-client", "Mcp Client"),
                            ("custom", "Custom"),
                        ],
                        max_length=20,
                    ),
                ),
                ("platform", models.CharField(blank=True, max_length=100)),
                ("firmware_version", models.CharField(blank=True, max_length=50)),
                ("capabilities", models.JSONField(default=list)),
                ("metadata", models.JSONField(default=dict)),
                ("requested_scopes", models.JSONField(default=list)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "pending"),
                            ("active", "active"),
                            ("suspended", "suspended"),
                            ("revoked", "revoked"),
                            ("rejected", "rejected"),
                        ],
                        default=devices.states.State["PENDING"],
                        max_length=10,
                    ),
                ),
                (
                    "trust_level",
                    models.PositiveSmallIntegerField(
                        choices=[(0, "anonymous"), (1, "basic"), (2, "verified"), (3, "trusted")],
                        default=devices.trust.TrustLevel["BASIC"],
                    ),
                ),
                ("user_code_hash", models.CharField(blank=True, max_length=64)),
                ("code_attempts", models.PositiveSmallIntegerField(default=0)),
                ("request_expires_at", models.DateTimeField(blank=True, null=True)),
                ("address", models.CharField(blank=True, max_length=45)),
                ("decided_by", models.CharField(blank=True, max_length=150)),
                ("decided_at", models.DateTimeField(blank=True, null=True)),
                ("decision_reason", models.CharField(blank=True, max_length=2000)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("last_seen_at", models.DateTimeField(blank=True, null=True)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("public_key", models.CharField(blank=True, max_length=43)),
                ("key_fingerprint", models.CharField(blank=True, max_length=64)),
                ("requested_role", models.CharField(blank=True, max_length=40)),
                ("operator_scopes", models.JSONField(default=list)),
                ("chosen_secret_hash", models.CharField(blank=True, max_length=256)),
                ("chosen_secret_ends_at", models.DateTimeField(blank=True, null=True)),
                ("user_agent", models.CharField(blank=True, max_length=300)),
                ("active_since", models.DateTimeField(blank=True, null=True)),
                ("secret_changed_at", models.DateTimeField(blank=True, null=True)),
                ("vouched_at", models.DateTimeField(blank=True, null=True)),
                ("last_proof_day", models.DateField(blank=True, null=True)),
                ("successful_proofs", models.PositiveIntegerField(default=0)),
                ("distinct_days", models.PositiveIntegerField(default=0)),
                ("failed_proofs_at", models.JSONField(default=list)),
                (
                    "strongest_proof",
                    models.CharField(
                        choices=[
                            ("none", "none"),
                            ("api_key", "api_key"),
                            ("chosen_secret", "chosen_secret"),
                            ("server_secret", "server_secret"),
                            ("signature", "signature"),
                        ],
                        default=devices.trust.ProofKind["NONE"],
                        max_length=20,
                    ),
                ),
                ("is_confirmed", models.BooleanField(default=False)),
                (
                    "environment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="authsvc.environment"
                    ),
                ),
                (
                    "gateway",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="rbac.gateway",
                    ),
                ),
                (
                    "previous",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="devices.device",
                    ),
                ),
                (
                    "principal",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="device", to="authsvc.principal"
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
                    models.Index(fields=["environment", "status", "-created_at", "-id"], name="device_by_status"),
                    models.Index(fields=["-created_at", "-id"], name="device_newest"),
                    models.Index(fields=["environment", "key_fingerprint"], name="device_by_key"),
                    models.Index(
                        condition=models.Q(("status", "pending")), fields=["-created_at", "-id"], name="device_waiting"
                    ),
                    models.Index(
                        condition=models.Q(("status", "suspended")), fields=["tenant"], name="device_suspended"
                    ),
                    models.Index(fields=["tenant", "status", "-created_at", "-id"], name="device_by_tenant_and_status"),
                    models.Index(fields=["environment", "address"], name="device_by_address"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("trust_level__lte", 3)), name="device_trust_level_0_to_3"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("user_code_hash", ""), _negated=True),
                        fields=("environment", "user_code_hash"),
                        name="device_user_code_once_per_environment",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("status", "active"), models.Q(("key_fingerprint", ""), _negated=True)),
                        fields=("environment", "key_fingerprint"),
                        name="device_key_active_once_per_environment",
                    ),
                ],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="UsedNonce",
            fields=[
                ("nonce_sha256", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("expires_at", models.DateTimeField(db_index=True)),
            ],
        ),
        migrations.CreateModel(
            name="DevicePolicy",
            fields=[
                (
                    "environment",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="device_policy",
                        serialize=False,
                        to="authsvc.environment",
                    ),
                ),
                ("thresholds", models.JSONField(default=dict)),
                ("ceilings", models.JSONField(default=dict)),
                ("chosen_secret_level", models.PositiveSmallIntegerField(default=devices.trust.TrustLevel["VERIFIED"])),
                ("store_ip", models.BooleanField(default=True)),
                ("store_user_agent", models.BooleanField(default=True)),
                (
                    "store_transcripts",
                    models.BooleanField(default=True, help_text="What gateways are told; nothing passes here."),
                ),
                (
                    "store_audio",
                    models.BooleanField(default=False, help_text="What gateways are told; nothing passes here."),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="authsvc.tenant"
                    ),
                ),
            ],
            options={
                "verbose_name": "rules for devices",
                "verbose_name_plural": "rules for devices",
                "default_manager_name": "unscoped",
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="EnrolmentCode",
            fields=[
                (
                    "id",
                    models.CharField(
                        default=devices.models.new_enrolment_code_id,
                        editable=False,
                        max_length=40,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                ("code_hash", models.CharField(max_length=64, unique=True)),
                ("last_four", models.CharField(max_length=4)),
                ("maximum_uses", models.PositiveIntegerField(default=1)),
                ("uses", models.PositiveIntegerField(default=0)),
                ("address_ranges", models.JSONField(default=list)),
                ("scopes", models.JSONField(default=list)),
                (
                    "trust_level",
                    models.PositiveSmallIntegerField(
                        choices=[(0, "anonymous"), (1, "basic"), (2, "verified"), (3, "trusted")],
                        default=devices.trust.TrustLevel["BASIC"],
                    ),
                ),
                ("created_by", models.CharField(max_length=150)),
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
                    "gateway",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="rbac.gateway",
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
                    models.Index(fields=["environment", "-created_at", "-id"], name="enrolment_code_by_environment")
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("uses__lte", models.F("maximum_uses"))),
                        name="enrolment_code_uses_within_maximum",
                    )
                ],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="FailedProof",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("source", models.CharField(max_length=64)),
                ("failed_at", models.DateTimeField()),
            ],
            options={
                "indexes": [
                    models.Index(fields=["source", "failed_at"], name="failed_proof_by_source"),
                    models.Index(fields=["failed_at"], name="failed_proof_by_time"),
                ],
            },
        ),
        migrations.CreateModel(
            name="DeviceAuthorization",
            fields=[
                (
                    "device",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="authorization",
                        serialize=False,
                        to="devices.device",
                    ),
                ),
                ("device_code_hash", models.CharField(max_length=64, unique=True)),
                ("client_id", models.CharField(max_length=128)),
                ("is_client_authenticated", models.BooleanField()),
                ("audience", models.CharField(blank=True, max_length=255)),
                ("interval_seconds", models.PositiveIntegerField()),
                ("last_polled_at", models.DateTimeField(blank=True, null=True)),
                ("expires_at", models.DateTimeField()),
                ("redeemed_at", models.DateTimeField(blank=True, null=True)),
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
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
    ]
