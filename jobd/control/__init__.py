"""What operators ask of jobs and queues; Client and SyncClient are made of it."""
