import django.db.models.deletion
import django.db.models.manager
import django.utils.timezone
from django.db import migrations, models

import rbac.models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("authsvc", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Gateway",
            fields=[
                ("id", models.CharField(editable=False, max_length=40, primary_key=True, serialize=False)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("agno", "Agno"),
                            ("openclaw", "Openclaw"),
                            ("agtos", "Agtos"),
                            ("argentos", "Argentos"),
                            ("generic", "Generic"),
                        ],
                        default="agno",
                        max_length=20,
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                ("audience", models.CharField(max_length=128)),
                ("algorithm", models.CharField(default="RS256", max_length=10)),
                ("admin_scope", models.CharField(default="agent_os:admin", max_length=100)),
                ("url", models.URLField(blank=True, max_length=500)),
                (
                    "unmapped",
                    models.CharField(choices=[("deny", "deny"), ("allow", "allow")], default="deny", max_length=5),
                ),
                (
                    "routes",
                    models.JSONField(blank=True, default=list, help_text="[{method, pattern, scopes, minimum_trust}]"),
                ),
                (
                    "allowed_principals",
                    models.JSONField(
                        blank=True,
                        default=list,
                        help_text="Service accounts and devices that may come; empty: whoever has a right.",
                    ),
                ),
                ("acknowledged_kids", models.JSONField(blank=True, default=list)),
                ("acknowledged_at", models.DateTimeField(blank=True, null=True)),
                ("fetched_kids", models.JSONField(blank=True, default=list)),
                ("fetched_at", models.DateTimeField(blank=True, null=True)),
                (
                    "claims",
                    models.JSONField(
                        blank=True, default=dict, help_text="{claim: source}: what its tokens carry besides."
                    ),
                ),
                (
                    "shares_tokens",
                    models.BooleanField(
                        default=False, help_text="A token may be for this gateway and for others that share, too."
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "environment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="authsvc.environment"
                    ),
                ),
                (
                    "principal",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="gateway", to="authsvc.principal"
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
                        fields=("environment", "audience"), name="gateway_audience_once_per_environment"
                    )
                ],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="ChannelPolicy",
            fields=[
                (
                    "id",
                    models.CharField(
                        default=rbac.models.new_channel_id,
                        editable=False,
                        max_length=40,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("channel", models.CharField(max_length=20)),
                ("name", models.CharField(blank=True, max_length=200)),
                ("dm_policy", models.CharField(default="allowlist", max_length=12)),
                ("group_policy", models.CharField(default="allowlist", max_length=12)),
                ("group_gate", models.CharField(default="either", max_length=12)),
                ("rules", models.JSONField(default=list, help_text="[{subject_kind, subject_id, effect, reach}]")),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
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
            ],
            options={
                "verbose_name_plural": "channel policies",
                "ordering": ["-created_at", "-id"],
                "default_manager_name": "unscoped",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("environment", "gateway", "channel"), name="channel_policy_once_per_gateway"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("gateway__isnull", True)),
                        fields=("environment", "channel"),
                        name="channel_policy_once_per_environment",
                    ),
                ],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="Role",
            fields=[
                (
                    "id",
                    models.CharField(
                        default=rbac.models.new_role_id,
                        editable=False,
                        max_length=40,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                ("description", models.CharField(blank=True, max_length=2000)),
                ("scopes", models.JSONField(default=list)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
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
                    models.UniqueConstraint(fields=("environment", "name"), name="role_name_once_per_environment")
                ],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="Grant",
            fields=[
                (
                    "id",
                    models.CharField(
                        default=rbac.models.new_grant_id,
                        editable=False,
                        max_length=40,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("scopes", models.JSONField(default=list)),
                ("reason", models.CharField(blank=True, max_length=2000)),
                ("granted_by", models.CharField(max_length=150)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
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
                (
                    "role",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="rbac.role",
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
                "default_manager_name": "unscoped",
                "indexes": [
                    models.Index(fields=["principal", "revoked_at"], name="grant_by_principal"),
                    models.Index(fields=["environment", "-created_at", "-id"], name="grant_by_environment"),
                    models.Index(fields=["-created_at", "-id"], name="grant_newest"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("role__isnull", False), models.Q(("scopes", []), _negated=True), _connector="OR"
                        ),
                        name="grant_has_role_or_scopes",
                    )
                ],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="ServiceAccount",
            fields=[
                ("id", models.CharField(editable=False, max_length=40, primary_key=True, serialize=False)),
                ("description", models.CharField(blank=True, max_length=2000)),
                (
                    "email",
                    models.EmailField(blank=True, help_text="Only in tokens of gateways that map it.", max_length=254),
                ),
                (
                    "maximum_scopes",
                    models.JSONField(default=list, help_text="Never issued beyond these; empty means no such limit."),
                ),
                ("default_scopes", models.JSONField(default=list, help_text="Issued when a request names no scope.")),
                (
                    "public_jwks",
                    models.JSONField(blank=True, default=list, help_text="Public keys for private_key_jwt."),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "environment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="authsvc.environment"
                    ),
                ),
                (
                    "principal",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="service_account",
                        to="authsvc.principal",
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
                "indexes": [models.Index(fields=["environment", "-created_at", "-id"], name="service_account_by_env")],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="TenantScope",
            fields=[
                (
                    "id",
                    models.CharField(
                        default=rbac.models.new_scope_id,
                        editable=False,
                        max_length=40,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("scope", models.CharField(max_length=255)),
                ("sentence", models.CharField(max_length=500)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
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
                "constraints": [models.UniqueConstraint(fields=("environment", "scope"), name="tenant_scope_once")],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="ChannelPairing",
            fields=[
                (
                    "id",
                    models.CharField(
                        default=rbac.models.new_pairing_id,
                        editable=False,
                        max_length=40,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("sender_id", models.CharField(max_length=128)),
                ("name", models.CharField(blank=True, max_length=200)),
                ("code_hash", models.CharField(max_length=64)),
                (
                    "state",
                    models.CharField(
                        choices=[("pending", "Pending"), ("approved", "Approved"), ("rejected", "Rejected")],
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("decided_by", models.CharField(blank=True, max_length=150)),
                ("decided_at", models.DateTimeField(blank=True, null=True)),
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
                (
                    "policy",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="rbac.channelpolicy"
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
                "default_manager_name": "unscoped",
                "indexes": [models.Index(fields=["policy", "state", "expires_at"], name="channel_pairing_by_policy")],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
    ]
