"""The destinations, one per file: entries or notices go in; what became of them leaves. Siblings stay strangers."""
