"""Servers that tests start by themselves, on this machine: one over TCP, Sentinels with what they watch, a Cluster."""
