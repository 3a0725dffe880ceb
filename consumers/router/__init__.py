"""Router: every event meets every subscription that wants it."""
