# SPDX-License-Identifier: AGPL-3.0-or-later
"""A fake Proxmox VE cluster for tests, demo and benchmarks; see README.md."""

from .harness import FakeCluster

__all__ = ["FakeCluster"]
