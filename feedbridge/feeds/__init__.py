"""Articles become documents: Atom 1.0, RSS 2.0, JSON Feed 1.1, OPML. No I/O, no clock."""
