"""feedbridge republishes articles as feeds that any feed reader can subscribe to."""

__version__ = "0.1.0"
