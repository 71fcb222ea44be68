"""Two independent implementations of MiniP, with variants that go wrong on purpose."""
