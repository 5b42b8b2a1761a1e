"""Where a batch of due sources is worked on: in the daemon itself, or by workers on any number of machines."""
