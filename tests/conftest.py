"""
Set-up of the whole suite: real servers, started once and shared.
"""

from portal import embedded

embedded.ensure_running()
