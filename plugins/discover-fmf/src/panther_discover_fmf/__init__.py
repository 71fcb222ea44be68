"""Tests in the Flexible Metadata Format as test cases."""
