"""
Arithmetic of money, without Django.
"""
