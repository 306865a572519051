"""What the editor and the library keep: a draft's history, sample messages, tags, the last use.

No table is written anew, because SQLite would lose the triggers on it: new columns have no default.
"""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('chains', '0002_immutable_versions'),
    ]

    operations = [
        migrations.AddField(
            model_name='chain',
            name='used_at',
            field=models.DateTimeField(blank=True, editable=False, help_text='When a message was last sent through it.', null=True),
        ),
        migrations.AddField(
            model_name='chainversion',
            name='undo_position',
            field=models.PositiveIntegerField(blank=True, editable=False, help_text='Which of its edits a draft shows; none: unedited.', null=True),
        ),
        migrations.CreateModel(
            name='ChainTag',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=40)),
                ('chain', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='tags', to='chains.chain')),
            ],
            options={
                'ordering': ['chain_id', 'name'],
                'constraints': [models.UniqueConstraint(fields=('chain', 'name'), name='tag_unique_per_chain')],
            },
        ),
        migrations.CreateModel(
            name='DraftEdit',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('position', models.PositiveIntegerField()),
                ('content', models.JSONField(help_text='The whole draft, as actions/snapshot.py writes it.')),
                ('label', models.CharField(blank=True, help_text='What the edit did.', max_length=200)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('version', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='edits', to='chains.chainversion')),
            ],
            options={
                'ordering': ['version_id', 'position'],
                'constraints': [models.UniqueConstraint(fields=('version', 'position'), name='edit_position_unique')],
            },
        ),
        migrations.CreateModel(
            name='SampleInput',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=100)),
                ('text', models.TextField()),
                ('chain', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='samples', to='chains.chain')),
            ],
            options={
                'ordering': ['chain_id', 'name'],
                'constraints': [models.UniqueConstraint(fields=('chain', 'name'), name='sample_name_unique')],
            },
        ),
    ]
