"""What must be known of the settings before they are read."""

from pathlib import Path

SETTINGS = Path("config/feedbridge.toml")
"""The settings file where none is named."""

STORE = "sqlite:///var/feedbridge.db"
"""The database where the settings name none; its path is relative to their folder."""

PREFIX = "FEEDBRIDGE_"
"""Begins the names of the environment variables that go before the settings file."""
