"""Alembic's entry: run within the connection and the transaction that `tocsin.ledger.migrating` has opened."""

from __future__ import annotations

from alembic import context

from tocsin.ledger.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
