"""Masking: anything of an event goes in and leaves without its secrets: rules, what knows them, what applies them."""
