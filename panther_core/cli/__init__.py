"""The console: parses arguments, shows what happens, and turns every outcome into an exit code and one clear line."""
