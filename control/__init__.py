"""The control API and the console: who gets which events where, what became of them, and what to do about it.

    in        tocsin.keys, tocsin.subscriptions, tocsin.health, tocsin.jobs
                                    read as tables, whole, by every process
              tocsin.dlq, tocsin.audit, tocsin.quarantine, tocsin.events.*, tocsin.deliveries, tocsin.attempts
                                    read for a request (`archive.py`)
              groups' offsets, and of what waits the oldest records (`backlog.py`)
              the ledger's store (`log.py`)
    out       tocsin.subscriptions  this program is its one writer; a deleted subscription is a tombstone
              tocsin.keys           `tocsin keys` writes there, too
              tocsin.jobs           replays, recoveries and purges that are asked for
              tocsin.deliveries     tests that an owner asks for
              tocsin.redeliveries   resends
              tocsin.audit          every change
              any topic             what is sent back out of quarantine, where it was found
    group     none
    answers   a change after the broker's acknowledgement, and once the own table has read what was written

An answer names `effective_at`: from then on every matching event is certain to be delivered. The organization and
the system come from the key, never from the request; what belongs to another organization does not exist.

    routes.py, *_routes.py          which request is answered where; the module that they name answers it
    models.py, *_models.py          what is taken and given, as the OpenAPI document shows it
    store.py, key_store.py, jobs.py, outbox.py, trail.py, archive.py, backlog.py
                                    what requests need of Kafka; `services.py` puts it together
    log.py, log_*.py                the delivery log
    console/                        the files that a browser gets
"""
