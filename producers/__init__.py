"""Programs that put events in. Services publish with `tocsin.Publisher` themselves; a program is for those that cannot."""
