"""Load for any protocol that has a dialect."""
