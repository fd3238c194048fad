"""Books of small societies."""
