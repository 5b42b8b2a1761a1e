"""The only SQL: articles, their aliases, the feeds that hold them, and how the sources fare."""
