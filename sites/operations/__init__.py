from sites.operations.accounts import set_password, set_preferences
from sites.operations.audit import record

__all__ = ["record", "set_password", "set_preferences"]
