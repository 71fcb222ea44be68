"""The built-in commands, one module each; every module holds a ``COMMAND`` descriptor like the ones of plugins."""
