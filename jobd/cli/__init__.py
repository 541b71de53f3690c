"""The command line: options → client → print. Thin, and quick to start: what is heavy is imported when it is used."""
