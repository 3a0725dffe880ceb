"""The soak: real processes under faults, and an auditor that compares three ledgers afterwards."""
