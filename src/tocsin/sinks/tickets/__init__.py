"""Tickets: one per fault, found again by its keyword. The life cycle is shared; each tracker has an adapter."""
