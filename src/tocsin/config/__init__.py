"""One table of settings; values come from TOML, a mapping, the environment or keywords, each with its source."""
