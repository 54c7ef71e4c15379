"""
Arithmetic of metering, without Django.
"""
