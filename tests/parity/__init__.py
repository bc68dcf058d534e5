# SPDX-License-Identifier: GPL-3.0-or-later
"""The same tasks through community.proxmox and through Ferrox: `make parity`. README.md says how."""

import pathlib
import sys

# What integration/conftest.py imports lies beside it, where pytest finds it by itself.
sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
