import django.db.models.deletion
import django.db.models.manager
import django.utils.timezone
from django.db import migrations, models

import profiles.models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("authsvc", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Credential",
            fields=[
                (
                    "id",
                    models.CharField(
                        default=profiles.models.new_credential_id,
                        editable=False,
                        max_length=40,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("version", models.PositiveIntegerField()),
                (
                    "kind",
                    models.CharField(
                        choices=[("api_key", "api_key"), ("token", "token"), ("oauth", "oauth")], max_length=10
                    ),
                ),
                ("sealed", models.TextField(blank=True)),
                ("fingerprint", models.CharField(max_length=16)),
                ("last_four", models.CharField(blank=True, max_length=4)),
                ("has_refresh", models.BooleanField(default=False)),
                (
                    "has_reference",
                    models.BooleanField(default=False, help_text="The value is a reference, not a secret."),
                ),
                ("expires_at_ms", models.BigIntegerField(blank=True, null=True)),
                ("origin", models.CharField(blank=True, max_length=60)),
                (
                    "state",
                    models.CharField(
                        choices=[("current", "Current"), ("retired", "Retired"), ("deleted", "Deleted")],
                        default="current",
                        max_length=10,
                    ),
                ),
                ("retired_at", models.DateTimeField(blank=True, null=True)),
                (
                    "leased_until",
                    models.DateTimeField(blank=True, help_text="End of the last lease of this version.", null=True),
                ),
                ("last_used_at", models.DateTimeField(blank=True, null=True)),
                ("last_used_by", models.CharField(blank=True, max_length=150)),
                ("created_by", models.CharField(max_length=150)),
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
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="Profile",
            fields=[
                (
                    "id",
                    models.CharField(
                        default=profiles.models.new_profile_id,
                        editable=False,
                        max_length=40,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("agent", models.CharField(default="main", max_length=128)),
                ("provider", models.CharField(max_length=64)),
                (
                    "key",
                    models.CharField(help_text="provider:name, or the id a foreign store gave it.", max_length=200),
                ),
                ("description", models.CharField(blank=True, max_length=2000)),
                (
                    "kind",
                    models.CharField(
                        choices=[("api_key", "api_key"), ("token", "token"), ("oauth", "oauth")], max_length=10
                    ),
                ),
                ("origin", models.CharField(blank=True, max_length=60)),
                (
                    "extras",
                    models.JSONField(
                        default=dict, help_text="Foreign fields without secrets, kept for a lossless export."
                    ),
                ),
                ("minimum_trust", models.PositiveSmallIntegerField(default=0)),
                ("allowed_channels", models.JSONField(blank=True, null=True)),
                ("allowed_gateways", models.JSONField(blank=True, null=True)),
                (
                    "state",
                    models.CharField(
                        choices=[("active", "Active"), ("retired", "Retired")], default="active", max_length=10
                    ),
                ),
                (
                    "usage",
                    models.JSONField(default=dict, help_text="Cooldowns and counters, in the openclaw family's shape."),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("last_used_at", models.DateTimeField(blank=True, null=True)),
                ("last_used_by", models.CharField(blank=True, max_length=150)),
                ("lease_count", models.PositiveBigIntegerField(default=0)),
                ("success_count", models.PositiveBigIntegerField(default=0)),
                ("failure_count", models.PositiveBigIntegerField(default=0)),
                (
                    "window_started_at",
                    models.DateTimeField(blank=True, help_text="Begin of the hour leases are counted in.", null=True),
                ),
                ("window_leases", models.PositiveIntegerField(default=0)),
                (
                    "warn_after_seconds",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="When this profile counts as expiring; empty: as its tenant says.",
                        null=True,
                    ),
                ),
                (
                    "rotate_after_days",
                    models.PositiveIntegerField(
                        default=30, help_text="After how many days a new version is due; 0: never."
                    ),
                ),
                (
                    "position",
                    models.PositiveIntegerField(default=0, help_text="Insertion order, where a strategy asks for it."),
                ),
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
                    models.Index(fields=["environment", "provider", "agent"], name="profile_by_provider"),
                    models.Index(fields=["-created_at", "-id"], name="profile_newest"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("environment", "agent", "key"), name="profile_key_once_per_agent"),
                    models.CheckConstraint(
                        condition=models.Q(("minimum_trust__lte", 3)), name="profile_minimum_trust_0_to_3"
                    ),
                ],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="OAuthRefresh",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("holder", models.CharField(blank=True, max_length=40)),
                ("held_until", models.DateTimeField(blank=True, null=True)),
                ("failed_version", models.PositiveIntegerField(blank=True, null=True)),
                ("failure_reason", models.CharField(blank=True, max_length=40)),
                ("is_terminal", models.BooleanField(default=False)),
                ("failed_at", models.DateTimeField(blank=True, null=True)),
                ("retry_at", models.DateTimeField(blank=True, null=True)),
                ("attempts", models.PositiveIntegerField(default=0)),
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
                    "profile",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="profiles.profile"
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
        migrations.CreateModel(
            name="Lease",
            fields=[
                (
                    "id",
                    models.CharField(
                        default=profiles.models.new_lease_id,
                        editable=False,
                        max_length=40,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("principal_id", models.CharField(max_length=150)),
                ("agent", models.CharField(blank=True, max_length=128)),
                ("session", models.CharField(blank=True, max_length=128)),
                ("purpose", models.CharField(blank=True, max_length=200)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("expires_at", models.DateTimeField()),
                (
                    "credential",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="profiles.credential"
                    ),
                ),
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
                    "profile",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="profiles.profile"
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
                "default_manager_name": "unscoped",
                "indexes": [
                    models.Index(fields=["profile", "-created_at"], name="lease_by_profile"),
                    models.Index(fields=["expires_at"], name="lease_by_expiry"),
                ],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.AddField(
            model_name="credential",
            name="profile",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="credentials", to="profiles.profile"
            ),
        ),
        migrations.CreateModel(
            name="ProfileOrder",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("agent", models.CharField(blank=True, max_length=128)),
                ("provider", models.CharField(max_length=64)),
                ("profile_keys", models.JSONField(default=list)),
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
                "default_manager_name": "unscoped",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("environment", "agent", "provider"), name="profile_order_once_per_agent"
                    )
                ],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="ProfileSettings",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "backoff_preset",
                    models.CharField(
                        choices=[
                            ("clawdbot", "clawdbot"),
                            ("openclaw_2026_4", "openclaw_2026_4"),
                            ("openclaw_2026_9", "openclaw_2026_9"),
                            ("argentos", "argentos"),
                        ],
                        default="openclaw_2026_9",
                        max_length=40,
                    ),
                ),
                (
                    "strategy",
                    models.CharField(
                        choices=[("classic", "classic"), ("current", "current")], default="current", max_length=10
                    ),
                ),
                (
                    "preferred_kind",
                    models.CharField(
                        blank=True,
                        choices=[("api_key", "api_key"), ("token", "token"), ("oauth", "oauth")],
                        default="",
                        help_text="Goes first where no order is set; empty: the upstream order, and advice to prefer API keys.",
                        max_length=10,
                    ),
                ),
                (
                    "failure_threshold",
                    models.PositiveIntegerField(default=5, help_text="Failures in a row that raise an event; 0: none."),
                ),
                (
                    "lease_threshold",
                    models.PositiveIntegerField(
                        default=0, help_text="Leases of one profile within an hour that raise an event; 0: none."
                    ),
                ),
                (
                    "warn_after_seconds",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="When a credential counts as expiring; empty: as its tenant says.",
                        null=True,
                    ),
                ),
                (
                    "lease_ttl_seconds",
                    models.PositiveIntegerField(
                        blank=True, help_text="How long a hand-out may be used; empty: as its tenant says.", null=True
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
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="authsvc.tenant"
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "profile settings",
                "default_manager_name": "unscoped",
                "constraints": [
                    models.UniqueConstraint(fields=("environment",), name="profile_settings_once_per_environment")
                ],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="ProviderEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("slug", models.CharField(max_length=128)),
                ("label", models.CharField(blank=True, max_length=200)),
                ("env_names", models.JSONField(default=list)),
                ("prefixes", models.JSONField(default=list, help_text="What an API key begins with; empty: anything.")),
                ("minimum_length", models.PositiveIntegerField(default=1)),
                (
                    "billing",
                    models.CharField(
                        blank=True, choices=[("metered", "metered"), ("subscription", "subscription")], max_length=12
                    ),
                ),
                ("dashboard_url", models.CharField(blank=True, max_length=500)),
                (
                    "endpoint_url",
                    models.CharField(
                        blank=True, help_text="Where programs call it; never called here.", max_length=500
                    ),
                ),
                ("token_url", models.CharField(blank=True, max_length=500)),
                ("token_client_id", models.CharField(blank=True, max_length=200)),
                (
                    "token_body",
                    models.CharField(choices=[("form", "Form"), ("json", "Json")], default="form", max_length=4),
                ),
                (
                    "probe_url",
                    models.CharField(
                        blank=True, help_text="Where a credential may be tried; empty: never.", max_length=500
                    ),
                ),
                (
                    "probe_style",
                    models.CharField(
                        choices=[("bearer", "Bearer"), ("x-api-key", "X Api Key"), ("anthropic", "Anthropic")],
                        default="bearer",
                        max_length=10,
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
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="authsvc.tenant"
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "provider entries",
                "ordering": ["slug"],
                "default_manager_name": "unscoped",
                "constraints": [
                    models.UniqueConstraint(fields=("environment", "slug"), name="provider_entry_once_per_environment")
                ],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="SessionPin",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("session", models.CharField(max_length=128)),
                ("profile_key", models.CharField(max_length=200)),
                ("provider", models.CharField(max_length=64)),
                ("source", models.CharField(choices=[("user", "user"), ("auto", "auto")], max_length=4)),
                ("created_by", models.CharField(max_length=150)),
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
                "default_manager_name": "unscoped",
                "constraints": [models.UniqueConstraint(fields=("environment", "session"), name="session_pin_once")],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="StoreRemainder",
            fields=[
                (
                    "id",
                    models.CharField(
                        default=profiles.models.new_remainder_id,
                        editable=False,
                        max_length=40,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("agent", models.CharField(default="main", max_length=128)),
                ("sealed", models.TextField()),
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
                "default_manager_name": "unscoped",
                "constraints": [
                    models.UniqueConstraint(fields=("environment", "agent"), name="store_remainder_once_per_agent")
                ],
            },
            managers=[
                ("unscoped", django.db.models.manager.Manager()),
            ],
        ),
        migrations.AddConstraint(
            model_name="credential",
            constraint=models.UniqueConstraint(fields=("profile", "version"), name="credential_version_once"),
        ),
        migrations.AddConstraint(
            model_name="credential",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "current")), fields=("profile",), name="credential_one_current_per_profile"
            ),
        ),
    ]
