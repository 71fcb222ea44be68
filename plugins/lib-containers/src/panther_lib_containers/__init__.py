"""What network environments with containers share; a library, no plugin: it registers nothing."""
