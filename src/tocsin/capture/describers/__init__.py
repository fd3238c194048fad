"""Describers: what says more of an object than its type, a file per sort of object; `registry` finds the right one."""
