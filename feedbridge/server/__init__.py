"""Published files over HTTP, and how the program is doing."""
