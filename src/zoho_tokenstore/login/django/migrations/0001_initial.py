"""The tables of the store. Opening it makes them as well; so nothing depends on who comes first."""

from django.db import migrations, models

from zoho_tokenstore.login.django._tables import create_tables, drop_tables


class Migration(migrations.Migration):
    initial = True
    atomic = False  # the store has connections of its own, which a transaction here would hold up
    dependencies = ()
    operations = (
        migrations.CreateModel(
            name="Login",
            fields=[
                ("id", models.CharField(max_length=190, primary_key=True, serialize=False)),
                ("user_name", models.CharField(max_length=255, null=True, verbose_name="user")),
                ("client_id", models.CharField(max_length=255, null=True, verbose_name="client")),
                ("api_domain", models.CharField(max_length=255, null=True, verbose_name="API domain")),
                ("expiry_time", models.CharField(max_length=20, null=True)),
                ("created_at_ms", models.BigIntegerField(null=True)),
                ("updated_at_ms", models.BigIntegerField(null=True)),
                ("last_used_at_ms", models.BigIntegerField(null=True)),
            ],
            options={
                "managed": False,
                "db_table": "oauthtoken",
                "default_permissions": ("view",),
                "permissions": (("end_login", "Can end logins"), ("renew_login", "Can renew logins")),
            },
        ),
        migrations.RunPython(create_tables, drop_tables),
    )
