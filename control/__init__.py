"""The control API: who gets which events where.

    in        tocsin.keys           who may ask: read as a table, written by `tocsin keys`
              tocsin.subscriptions  read as a table
    out       tocsin.subscriptions  this program is its one writer; a deleted subscription is a tombstone
              tocsin.deliveries     tests that an owner asks for
    group     none: every process reads both tables whole
    answers   after the broker's acknowledgement, and once the own table has read what was written

An answer names `effective_at`: from then on every matching event is certain to be delivered. The organization and
the system come from the key, never from the request; what belongs to another organization does not exist.
"""
