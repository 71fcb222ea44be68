"""The network environment ``netns``: services in network namespaces of their own that nobody else can see."""
