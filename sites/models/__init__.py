from sites.models.audit import AuditEntry
from sites.models.hooks import Webhook, WebhookMessage
from sites.models.parties import Invitation, Membership, Stakeholder, User
from sites.models.places import DeliveryPoint, HostingService, Site

__all__ = [
    "AuditEntry",
    "DeliveryPoint",
    "HostingService",
    "Invitation",
    "Membership",
    "Site",
    "Stakeholder",
    "User",
    "Webhook",
    "WebhookMessage",
]
