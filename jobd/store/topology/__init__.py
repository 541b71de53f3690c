"""Ways to the server that owns a shard: one server, the master that Sentinels name, a node of a Cluster."""
