"""The network environment ``shadow_ns``: real programs in the Shadow simulator, whose time is its own."""
