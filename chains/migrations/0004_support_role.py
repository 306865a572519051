"""The role of those who help others: they see how runs went, and none of the texts in them.

The permissions themselves are usually made after all migrations, which is too late for a group of them.
"""

from django.db import migrations

ROLE = "Support"
SEEN = [
    "agent",
    "agentstep",
    "chain",
    "chainversion",
    "chatsession",
    "languagemodel",
    "provider",
    "run",
    "stepattempt",
]


def create(apps, schema_editor):
    ContentType = apps.get_model("contenttypes", "ContentType")
    Permission = apps.get_model("auth", "Permission")
    group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=ROLE)
    for name in SEEN:
        kind, _ = ContentType.objects.get_or_create(app_label="chains", model=name)
        what = apps.get_model("chains", name)._meta.verbose_name
        permission, _ = Permission.objects.get_or_create(
            content_type=kind, codename=f"view_{name}", defaults={"name": f"Can view {what}"}
        )
        group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("chains", "0003_editor"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [
        migrations.AlterModelOptions(
            name="run",
            options={
                "ordering": ["session_id", "id"],
                "permissions": [
                    ("read_texts", "Can read everybody's messages, prompts and answers"),
                    ("stop_any_run", "Can stop everybody's runs"),
                ],
            },
        ),
        # The group may have got people since: going back leaves it.
        migrations.RunPython(create, migrations.RunPython.noop),
    ]
