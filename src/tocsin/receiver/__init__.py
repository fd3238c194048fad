"""The other end of socket sinks: lines of other hosts go in; they lie in spools here before they are acknowledged.

The floor beside intake: intake takes what happens in this process, the receiver what other hosts' leaders deliver.
Both write spools, and delivery reads them, so neither needs the other.
"""
