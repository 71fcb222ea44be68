"""Carries test cases out, one attempt from top to bottom. Imports nothing: the console starts with this package."""
