"""
Statements as people see them, the keys of their issuers, and what has to be looked at again.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings
from django.db import connection
from django.db.models import Q, QuerySet

from sites.access import Viewer
from sites.models import HostingService, Membership, Site, Stakeholder
from telemetry.models import (
    IssuerKey,
    OutsideCheck,
    Statement,
    StatementRegister,
    StatementShare,
)


def statements(
    *,
    viewer: Viewer,
    search: str = "",
    state: str = "",
    site: str = "",
) -> QuerySet[Statement]:
    """
    Return the statements the viewer may see, those of the newest months first.
    """
    rows = Statement.objects.visible_to(viewer).select_related(
        "tenant", "service__site", "operator", "issued_by", "replaces", "replaced_by"
    )
    if search:
        rows = rows.filter(
            Q(number__icontains=search)
            | Q(tenant__name__icontains=search)
            | Q(service__name__icontains=search)
            | Q(service__site__name__icontains=search)
        )
    if state:
        rows = rows.filter(state=state)
    if site:
        rows = rows.filter(service__site__slug=site)
    return rows.order_by("-last_month", "-first_month", "service__site__name", "-pk")


def shares_of(*, viewer: Viewer, statement_id: int) -> StatementShare | None:
    """
    Return the open link to a statement, None where there is none.
    """
    links = StatementShare.objects.visible_to(viewer)
    return links.filter(statement_id=statement_id, ended_at__isnull=True).first()


def outside_checks(*, viewer: Viewer, site_id: int | None = None) -> QuerySet[OutsideCheck]:
    """
    Return what third parties verified, newest first, without the files.
    """
    rows = OutsideCheck.objects.visible_to(viewer).select_related("site").defer("file")
    return (rows if site_id is None else rows.filter(site_id=site_id)).order_by(
        "-checked_on", "-pk"
    )


def checks_of(*, statement: Statement, at: dt.datetime) -> list[OutsideCheck]:
    """
    Return what third parties had verified, by then, of a statement's site over some of its months,
    newest first; what was withdrawn by then left out. The past never changes, so the statement's
    document says the same at any later day.
    """
    rows = OutsideCheck.objects.filter(
        Q(withdrawn_at__isnull=True) | Q(withdrawn_at__gt=at),
        site_id=statement.service.site_id, created_at__lte=at,
        first_month__lte=statement.last_month, last_month__gte=statement.first_month,
    )  # fmt: skip
    return list(rows.defer("file").order_by("-checked_on", "-pk"))


def public_checks(*, site_ids: Iterable[int]) -> list[OutsideCheck]:
    """
    Return what third parties verified of public sites, newest first; nothing for others.
    """
    rows = OutsideCheck.objects.filter(
        site__in=Site.objects.public().filter(pk__in=list(site_ids)), withdrawn_at__isnull=True
    )
    return list(rows.defer("file").order_by("-checked_on", "-pk"))


def public_statement(*, public_id: uuid.UUID) -> Statement | None:
    """
    Return an issued statement by the id that stands in its credential. What of it is shown to
    whom is the page's: whoever has the id does not thereby have the figures.
    """
    return (
        Statement.objects.filter(public_id=public_id, issued_at__isnull=False)
        .select_related("operator", "tenant", "service__site", "key", "replaced_by")
        .first()
    )


def shared_statement(*, token: str) -> Statement | None:
    """
    Return the statement a tenant shared by a link, or the newest one in its place; None where
    the link was taken back.
    """
    link = (
        StatementShare.objects.filter(token=token, ended_at__isnull=True)
        .select_related("statement")
        .first()
    )
    if link is None:
        return None
    shown = link.statement
    while (following := Statement.objects.filter(replaces=shown).first()) is not None:
        shown = following
    return public_statement(public_id=shown.public_id)


def sites_without_statement(*, month: dt.date) -> list[int]:
    """
    Return the sites with a service whose statement of a month is neither issued nor waiting.
    """
    services = services_without_statement(month=month)
    rows = HostingService.objects.filter(pk__in=services).order_by("site_id")
    return list(rows.values_list("site_id", flat=True).distinct())


def services_without_statement(
    *, month: dt.date, first_month: dt.date | None = None, site_id: int | None = None
) -> list[int]:
    """
    Return the services in use, of one site or of all, whose statement over the months is neither
    issued nor waiting.
    """
    first_month = first_month or month
    made = Statement.objects.filter(
        first_month=first_month, last_month=month
    ).exclude(state__in=[Statement.State.HELD, Statement.State.REVOKED])  # fmt: skip
    after = (month + dt.timedelta(days=32)).replace(day=1)
    services = HostingService.objects.filter(site__started_on__lt=after)
    if site_id is not None:
        services = services.filter(site_id=site_id)
    return list(
        services.exclude(pk__in=made.values("service_id"))
        .order_by("pk")
        .values_list("pk", flat=True)
    )


def statements_to_mail(*, limit: int) -> list[int]:
    """
    Return the statements in force that their tenants were not told of.
    """
    waiting = Statement.objects.filter(state=Statement.State.ISSUED, mailed_at__isnull=True)
    return list(waiting.order_by("pk").values_list("pk", flat=True)[:limit])


def statements_touched(*, limit: int) -> list[int]:
    """
    Return the issued statements of which, within their months, a channel was rolled up again or
    attributes were allocated or taken back since they were looked at, or factors of their days
    were loaded or superseded.
    """
    with connection.cursor() as cursor:
        cursor.execute(_TOUCHED, [limit])
        return [pk for (pk,) in cursor.fetchall()]


# The local month's edges move by less than a day against UTC.
_TOUCHED = """
SELECT s.id FROM telemetry_statement s
JOIN sites_hostingservice h ON h.id = s.service_id JOIN sites_site p ON p.id = h.site_id
WHERE s.state = 'issued' AND (EXISTS (
  SELECT 1 FROM telemetry_attributeallocation a WHERE a.site_id = p.id
    AND a.month BETWEEN s.first_month AND s.last_month
    AND greatest(a.created_at, a.ended_at) > s.checked_at)
OR EXISTS (
  SELECT 1 FROM telemetry_emissionfactor f WHERE f.region IN (p.country, 'EU', 'WORLD')
    AND f.carrier LIKE 'electricity%%' AND coalesce(f.operator_id, s.operator_id) = s.operator_id
    AND f.valid && daterange(s.first_month, (s.last_month + interval '1 month')::date)
    AND greatest(f.created_at, f.superseded_at) > s.checked_at)
OR EXISTS (
  SELECT 1 FROM telemetry_statementinput i JOIN telemetry_rollup r
    ON r.channel_id = i.channel_id AND r.grain = 'hour' AND r.computed_at > s.checked_at
    AND r.start_at >= s.first_month - interval '1 day'
    AND r.start_at < s.last_month + interval '1 month 1 day'
  WHERE i.statement_id = s.id))
ORDER BY s.checked_at LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class Issuer:
    """
    Who signs: the operator with its DID (did:web, under its public page).
    """

    operator: Stakeholder
    did: str

    @classmethod
    def of(cls, operator: Stakeholder) -> Issuer:
        host = settings.BASE_URL.split("://", 1)[1].rstrip("/")
        # A colon divides the parts of a DID, so that of a port is escaped.
        place, *path = host.split("/")
        parts = [place.replace(":", "%3A"), *path, "p", operator.slug]
        return cls(operator, "did:web:" + ":".join(parts))

    def method(self, key: IssuerKey) -> str:
        """
        Return the DID URL of a key.
        """
        return f"{self.did}#key-{key.number}"

    def jwk_method(self, key: IssuerKey) -> str:
        """
        Return the DID URL of the same key written as JSON Web Key, which a JWT names.
        """
        return self.method(key) + "-jwk"


def issuer_keys(*, operator_ids: Iterable[int]) -> list[IssuerKey]:
    """
    Return the keys whose signatures count, oldest first.
    """
    return list(
        IssuerKey.objects.filter(operator_id__in=list(operator_ids), compromised_at__isnull=True)
        .select_related("operator")
        .order_by("operator_id", "number")
    )


def known_keys() -> dict[str, bytes]:
    """
    Return all keys of this portal's issuers whose signatures count, by DID URL.
    """
    keys = IssuerKey.objects.filter(compromised_at__isnull=True).select_related("operator")
    found = {}
    for key in keys:
        issuer = Issuer.of(key.operator)
        found[issuer.method(key)] = found[issuer.jwk_method(key)] = bytes(key.public)
    return found


def issuer(*, operator_slug: str) -> Stakeholder | None:
    """
    Return an operator that has signed or could sign; None for anybody else.
    """
    return Stakeholder.objects.filter(slug=operator_slug, issuer_keys__isnull=False).first()


def status_list(*, operator_id: int) -> StatementRegister | None:
    """
    Return an operator's signed status list; None before its first statement.
    """
    return StatementRegister.objects.filter(operator_id=operator_id).exclude(status_jwt="").first()


def keys_of(*, viewer: Viewer) -> QuerySet[IssuerKey]:
    """
    Return the viewer's own keys, newest first.
    """
    return IssuerKey.objects.visible_to(viewer).order_by("-number")


def addressees(*, tenant_id: int) -> list[str]:
    """
    Return the e-mail addresses of a tenant's active members.
    """
    found = Membership.objects.filter(stakeholder_id=tenant_id, user__is_active=True)
    return list(found.order_by("pk").values_list("user__email", flat=True))
