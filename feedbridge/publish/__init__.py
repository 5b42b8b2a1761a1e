"""Where documents go out."""
