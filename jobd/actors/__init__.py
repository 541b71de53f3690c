"""The machinery of the roles: actors, mailboxes, timers, the supervisor. It knows nothing of what they do."""
