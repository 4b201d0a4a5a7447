"""Addresses, the lists that people keep by hand, what was said of somebody, and links to opt out."""
