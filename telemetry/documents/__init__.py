"""
What leaves the portal about energy and heat: signed credentials, their PDF, the badge.
"""
