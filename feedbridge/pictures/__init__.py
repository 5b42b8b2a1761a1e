"""Pictures that feedbridge fetches: what they are, where they are kept, and who may ask for them."""
