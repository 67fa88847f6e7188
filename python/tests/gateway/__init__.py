"""Tests of the gateway, with real processes."""
