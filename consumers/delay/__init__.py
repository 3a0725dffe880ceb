"""Delay: what is not due yet waits here."""
