"""What the programs that answer over HTTP share: who is admitted, how often, how much; and how they say no."""
