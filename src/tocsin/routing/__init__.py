"""Which occurrences reach which people, and how often: issues, episodes, routes, and the state they are kept in."""
