"""
Files that banks write and read.
"""
