"""A configuration of logging for workers that have no other way to be quiet: a line for each job would be measured."""

LOGGING = {"version": 1, "disable_existing_loggers": False, "loggers": {"arq": {"level": "WARNING"}}}
