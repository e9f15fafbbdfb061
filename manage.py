#!/usr/bin/env python
"""Runs a management command; ``authsvc/command_line.py`` does the same for an installed package."""

from authsvc.command_line import main

if __name__ == "__main__":
    main()
