"""Any program as a service."""
