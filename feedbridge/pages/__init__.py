"""Feeds as pages for browsers: no script is needed, nothing of an article's runs, no I/O but templates."""
