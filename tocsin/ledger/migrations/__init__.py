"""How the tables came to be as they are: one file in `versions` for every change, applied in their order."""
