"""The crash-safe queue and short archive on local disk: every process writes its own files, the leader reads all.

A process has a live file (locked while it lives) and generations; a generation is a segment of records and a file
of counter cells, published by rename, never truncated, never reused.
"""
