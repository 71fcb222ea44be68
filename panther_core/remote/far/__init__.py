"""What is sent to another system, in the order in which its parts need each other: nothing but the standard library."""
