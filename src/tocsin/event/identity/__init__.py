"""Identity: an event goes in, what fault it is an occurrence of leaves, and why. Pure."""
