"""Pages become items, one module for each kind of source. No I/O, no clock."""
