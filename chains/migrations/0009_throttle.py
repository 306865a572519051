"""The table that counts log-ins and bad tokens."""

from django.core.management import call_command
from django.db import migrations

TABLE = "chains_throttle"


def make(apps, schema_editor):
    call_command("createcachetable", TABLE, database=schema_editor.connection.alias, verbosity=0)


class Migration(migrations.Migration):
    dependencies = [("chains", "0008_api_token_name")]

    operations = [
        migrations.RunPython(make, lambda apps, editor: editor.execute(f"DROP TABLE {TABLE}")),
    ]
