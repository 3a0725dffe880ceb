"""The web console: static pages that ask the control API like anybody else, with the key of whoever looks at them."""
