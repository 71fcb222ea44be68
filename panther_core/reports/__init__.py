"""The built-in reports: a finished run as a file for continuous integration, spreadsheets and programs."""
