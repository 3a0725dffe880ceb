"""The delivery log's store: its tables, how it is opened, and how it came to be as it is."""
