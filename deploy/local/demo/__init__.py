"""The demo: every documented system from event to verified webhook, with a failure, a dead letter and a replay."""
