"""Admin pages of the front door."""
