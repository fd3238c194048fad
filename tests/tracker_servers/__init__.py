"""Strict loopback trackers, written from the public documentation of their APIs: they keep tickets in memory."""
