#!/usr/bin/env python
"""
Django's command line for Warmgrid. Starts the embedded servers for commands that use them.
"""

import os
import sys

_WITHOUT_SERVERS = {"help", "version", "--help", "--version", "collectstatic", "makemessages"}


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    from django.core.management import execute_from_command_line

    if len(sys.argv) > 1 and sys.argv[1] not in _WITHOUT_SERVERS:
        from portal import embedded

        embedded.ensure_running()
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
