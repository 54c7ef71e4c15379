"""
What everybody may see: sites an operator opens, and customers' word that they may be named.
"""

import datetime as dt

from django.db import transaction

from sites.models import PublicConsent, Site, Stakeholder
from sites.operations.audit import record


@transaction.atomic(durable=True)
def show_site(
    *, site_id: int, is_public: bool, public_text: str, data_note: str, at: dt.datetime,
    by_id: int | None,
) -> Site:  # fmt: skip
    """
    Show a site's figures to everybody, or to its customers only.
    """
    site = Site.objects.select_for_update(of=("self",)).get(pk=site_id)
    before = {"is_public": site.is_public, "public_text": site.public_text}
    site.is_public, site.public_text, site.data_note = is_public, public_text, data_note
    site.save(update_fields=["is_public", "public_text", "data_note"])
    record(
        at=at, by_id=by_id, operator_id=site.operator_id, action="public page of site changed",
        subject=site.slug, before=before,
        after={"is_public": is_public, "public_text": public_text},
    )  # fmt: skip
    return site


@transaction.atomic(durable=True)
def allow_naming(*, stakeholder_id: int, allowed: bool, at: dt.datetime, by_id: int | None) -> None:
    """
    Note that a customer may, or may no longer, be named on public pages; the same word twice
    changes nothing.
    """
    customer = Stakeholder.objects.select_for_update(of=("self",)).get(pk=stakeholder_id)
    given = PublicConsent.objects.filter(stakeholder=customer, withdrawn_at__isnull=True)
    if given.exists() == allowed:
        return
    if allowed:
        PublicConsent.objects.create(stakeholder=customer, given_at=at, given_by_id=by_id)
    else:
        given.update(withdrawn_at=at)
    record(
        at=at, by_id=by_id, operator_id=customer.operator_id, subject=customer.slug,
        action="may be named in public" if allowed else "may no longer be named in public",
    )  # fmt: skip
