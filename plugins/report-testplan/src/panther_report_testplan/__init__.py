"""PANTHER and Testplan: runs as reports of Testplan, experiments as its MultiTests, services as its drivers."""
