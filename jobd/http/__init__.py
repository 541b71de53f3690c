"""HTTP: parse, ask the client, render. Nothing is decided here, and nothing but this folder knows aiohttp."""
