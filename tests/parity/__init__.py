# SPDX-License-Identifier: GPL-3.0-or-later
"""The same tasks through community.proxmox and through Ferrox: `make parity`. README.md says how."""
