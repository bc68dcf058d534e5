# SPDX-License-Identifier: GPL-3.0-or-later
"""What the claims about speed rest on: `make bench`, or `PYTHONPATH=tests python -m bench [measure …]`."""
