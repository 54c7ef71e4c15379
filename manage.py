#!/usr/bin/env python
"""
Django's command line for Warmgrid.
"""

import os
import sys

# These read no data; everything else finds its servers running.
WITHOUT_SERVERS = {
    "--help",
    "--version",
    "-h",
    "check",
    "collectstatic",
    "compilemessages",
    "help",
    "makemessages",
    "spectacular",
    "version",
}


def needs_servers(arguments: list[str]) -> bool:
    if not arguments or {"--help", "-h"} & set(arguments):
        return False
    return arguments[0] not in WITHOUT_SERVERS or "--database" in arguments


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    from django.core.management import execute_from_command_line

    from portal import embedded

    if needs_servers(sys.argv[1:]):
        try:
            embedded.ensure_running()
        except embedded.EmbeddedError as error:
            sys.exit(f"warmgrid: {error}")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
