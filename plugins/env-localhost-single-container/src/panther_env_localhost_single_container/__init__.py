"""The network environment ``localhost_single_container``: all services of a case in one container."""
