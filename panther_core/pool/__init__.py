"""The pool: which waiting test a free system takes next, in runs and in predictions. Imports nothing, like `run`."""
