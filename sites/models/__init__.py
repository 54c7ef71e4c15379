from sites.models.audit import AuditEntry
from sites.models.hooks import Webhook, WebhookMessage
from sites.models.parties import (
    Invitation,
    Membership,
    PublicConsent,
    Stakeholder,
    User,
)
from sites.models.places import DeliveryPoint, HostingService, Site

__all__ = [
    "AuditEntry",
    "DeliveryPoint",
    "HostingService",
    "Invitation",
    "Membership",
    "PublicConsent",
    "Site",
    "Stakeholder",
    "User",
    "Webhook",
    "WebhookMessage",
]
