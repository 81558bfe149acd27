"""Tables for the terminal, and the sentences below them."""
