"""A check-up of a live installation: what is found (`state`), what is said about it (`checks`), how it is read (`reading`)."""
