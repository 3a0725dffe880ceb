"""Replay: dead letters that somebody wants delivered again."""
