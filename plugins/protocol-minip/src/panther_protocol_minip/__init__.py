"""MiniP: its roles, its scenarios, and how the transcripts of both sides become a verdict."""
