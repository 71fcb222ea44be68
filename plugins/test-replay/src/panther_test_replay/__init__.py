"""The test type ``replay`` and the implementation of the same name: recorded traffic, played again."""
