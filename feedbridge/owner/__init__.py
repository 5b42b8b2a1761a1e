"""The owner's pages: how all stands, for nobody else."""
