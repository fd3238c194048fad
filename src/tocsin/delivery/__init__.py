"""The leader: the one process of a spool that delivers. What is spooled goes in; entries and notices leave."""
