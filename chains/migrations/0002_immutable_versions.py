"""Published versions and their agents cannot change, whoever asks: the database refuses.

A published version may only go together with its whole chain, which is marked as discarded in the same
transaction.
"""

from django.db import migrations

IS_PUBLISHED = """SELECT 1 FROM chains_chainversion v JOIN chains_chain c ON c.id = v.chain_id
    WHERE v.id = {row}.version_id AND v.published_at IS NOT NULL AND c.discarded_at IS NULL"""
IS_DISCARDED = "SELECT 1 FROM chains_chain c WHERE c.id = OLD.chain_id AND c.discarded_at IS NOT NULL"
MESSAGE = "a published chain version cannot be changed"

# table, event, the rows that decide, what must not hold
GUARDS = [
    ("chains_chainversion", "UPDATE", "OLD.published_at IS NOT NULL"),
    ("chains_chainversion", "DELETE", f"OLD.published_at IS NOT NULL AND NOT EXISTS ({IS_DISCARDED})"),
    ("chains_agent", "INSERT", f"EXISTS ({IS_PUBLISHED.format(row='NEW')})"),
    (
        "chains_agent",
        "UPDATE",
        f"EXISTS ({IS_PUBLISHED.format(row='OLD')}) OR EXISTS ({IS_PUBLISHED.format(row='NEW')})",
    ),
    ("chains_agent", "DELETE", f"EXISTS ({IS_PUBLISHED.format(row='OLD')})"),
]


def _name(table: str, event: str) -> str:
    return f"{table}_guard_{event.lower()}"


def _sqlite(table: str, event: str, forbidden: str) -> list[str]:
    return [
        f"CREATE TRIGGER {_name(table, event)} BEFORE {event} ON {table} "
        f"WHEN {forbidden} BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END"
    ]


def _postgresql(table: str, event: str, forbidden: str) -> list[str]:
    name = _name(table, event)
    row = "OLD" if event == "DELETE" else "NEW"
    return [
        f"""CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF {forbidden} THEN
                RAISE EXCEPTION '{MESSAGE}' USING ERRCODE = 'integrity_constraint_violation';
            END IF;
            RETURN {row};
        END $$""",
        f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()",
    ]


def create(apps, schema_editor):
    build = {"sqlite": _sqlite, "postgresql": _postgresql}[schema_editor.connection.vendor]
    for guard in GUARDS:
        for statement in build(*guard):
            schema_editor.execute(statement)


def drop(apps, schema_editor):
    is_postgresql = schema_editor.connection.vendor == "postgresql"
    for table, event, _ in GUARDS:
        name = _name(table, event)
        schema_editor.execute(f"DROP TRIGGER {name}" + (f" ON {table}" if is_postgresql else ""))
        if is_postgresql:
            schema_editor.execute(f"DROP FUNCTION {name}()")


class Migration(migrations.Migration):
    dependencies = [("chains", "0001_initial")]
    operations = [migrations.RunPython(create, drop)]
