"""The worker role: slots that run handlers, in this process or in children that a supervisor watches."""
