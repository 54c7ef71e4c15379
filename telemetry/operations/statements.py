"""
Energy and heat statements: drafted, approved, superseded, revoked, shared.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from collections.abc import Sequence
from typing import Any

from django.db import transaction

from sites.operations import announce, record
from telemetry.documents import statements as documents
from telemetry.domain import statement as rules
from telemetry.domain.status_list import PLACES
from telemetry.models import (
    IssuerKey,
    OutsideCheck,
    Statement,
    StatementInput,
    StatementRegister,
    StatementShare,
)
from telemetry.operations.issuer_keys import current_key, private_key
from telemetry.queries.statement_content import Stated, statement_contents
from telemetry.queries.statements import Issuer


class NotIssuable(Exception):
    """
    The statement is not waiting for approval, or something stands against it.
    """


class AlreadyEnded(Exception):
    """
    The statement is not in force.
    """


@transaction.atomic(durable=True)
def draft_statement(
    *,
    service_id: int,
    first_month: dt.date,
    last_month: dt.date,
    at: dt.datetime,
    by_id: int | None = None,
) -> Statement | None:
    """
    Draft a service's statement over whole local months that are over, or hold it back with the
    reasons; made again it takes the place of the draft. None where one is in force.

    :raises ValueError: if the months are not over
    """
    stated = _stated(service_id, first_month, last_month, at)
    if stated.period.end > at:
        raise ValueError("The months are not over.")
    mine = Statement.objects.select_for_update().filter(
        service_id=service_id, first_month=first_month, last_month=last_month
    )
    if mine.filter(state=Statement.State.ISSUED).exists():
        return None
    mine.filter(state__in=[Statement.State.HELD, Statement.State.DRAFT]).delete()
    made = _create(stated, at=at)
    record(
        at=at, by_id=by_id, operator_id=made.operator_id, action=f"statement {made.state}",
        subject=f"{stated.service.slug}/{first_month}/{last_month}", after={"held": made.held},
    )  # fmt: skip
    return made


@transaction.atomic(durable=True)
def issue_statement(*, statement_id: int, at: dt.datetime, by_id: int | None) -> Statement:
    """
    Sign a draft with what holds now and put it in force.

    :raises NotIssuable: if it is no draft, or its figures no longer allow it
    """
    draft = Statement.objects.select_for_update(of=("self",)).get(pk=statement_id)
    if draft.state != Statement.State.DRAFT:
        raise NotIssuable("It is not waiting for approval.")
    stated = _stated(draft.service_id, draft.first_month, draft.last_month, at)
    if rules.digest(stated.content) != bytes(draft.content_sha256):
        raise NotIssuable("Its figures have changed since it was drafted. Draft it again.")
    if stated.obstacles:
        raise NotIssuable("Too little was measured for it.")
    issued = _sign(draft, stated, at=at, by_id=by_id)
    _sign_status_list(issued.operator_id, at=at)
    return issued


@transaction.atomic(durable=True)
def revoke_statement(
    *, statement_id: int, reason: str, at: dt.datetime, by_id: int | None
) -> Statement:
    """
    End a statement in force for a reason that everybody can read.

    :raises AlreadyEnded: if it is not in force
    """
    register_of = Statement.objects.values_list("operator_id", flat=True).get(pk=statement_id)
    _register(register_of)
    found = Statement.objects.select_for_update(of=("self",)).get(pk=statement_id)
    if found.state != Statement.State.ISSUED:
        raise AlreadyEnded(found.number)
    _end(found, Statement.State.REVOKED, reason, at=at, by_id=by_id)
    _sign_status_list(found.operator_id, at=at)
    return found


@transaction.atomic(durable=True)
def look_again(*, statement_id: int, at: dt.datetime) -> Statement | None:
    """
    Compare a statement in force with what its readings say now. Where they differ it is
    superseded by a new one, or revoked where none may be issued; return what took its place.
    """
    operator_id = Statement.objects.values_list("operator_id", flat=True).get(pk=statement_id)
    _register(operator_id)
    found = Statement.objects.select_for_update(of=("self",)).get(pk=statement_id)
    if found.state != Statement.State.ISSUED:
        return None
    stated = _stated(found.service_id, found.first_month, found.last_month, at)
    if rules.digest(stated.content) == bytes(found.content_sha256):
        found.checked_at = at
        found.save(update_fields=["checked_at"])
        return None
    if stated.obstacles:
        _end(found, Statement.State.REVOKED, _REASON_GAPS, at=at, by_id=None)
        following = None
    else:
        _end(found, Statement.State.SUPERSEDED, _REASON_CORRECTED, at=at, by_id=None)
        draft = _create(stated, at=at)
        draft.replaces = found
        following = _sign(draft, stated, at=at, by_id=found.issued_by_id)
    _sign_status_list(operator_id, at=at)
    return following


_REASON_CORRECTED = "Readings or factors were corrected; a newer statement took its place."
_REASON_GAPS = "Readings were corrected, and what is left is not enough for a statement."


@transaction.atomic(durable=True)
def share_statement(*, statement_id: int, at: dt.datetime, by_id: int | None) -> StatementShare:
    """
    Return the link by which anybody can read an issued statement, made where there is none.

    :raises NotIssuable: for one that was never issued
    """
    found = Statement.objects.select_for_update(of=("self",)).get(pk=statement_id)
    if found.issued_at is None:
        raise NotIssuable("It was never issued.")
    link = StatementShare.objects.filter(statement=found, ended_at__isnull=True).first()
    if link is None:
        link = StatementShare.objects.create(
            statement=found, token=secrets.token_urlsafe(32), created_at=at
        )
        record(
            at=at, by_id=by_id, operator_id=found.operator_id, action="statement shared",
            subject=found.number,
        )  # fmt: skip
    return link


@transaction.atomic(durable=True)
def statement_to_mail(*, statement_id: int, at: dt.datetime) -> Statement | None:
    """
    Return a statement in force to tell its tenant of, and note that it is done; None where it was
    told before. Noted first: one e-mail too few is better than one every five minutes.
    """
    found = (
        Statement.objects.select_for_update(of=("self",))
        .select_related("operator", "tenant", "service__site")
        .get(pk=statement_id)
    )
    if found.state != Statement.State.ISSUED or found.mailed_at is not None:
        return None
    found.mailed_at = at
    found.save(update_fields=["mailed_at"])
    return found


@transaction.atomic(durable=True)
def add_outside_check(
    *, site_id: int, file_name: str, file: bytes, at: dt.datetime, by_id: int | None, **fields: Any
) -> OutsideCheck:
    """
    Attach what a third party verified of a site; `fields` are checker, scope, first_month,
    last_month and checked_on.
    """
    check = OutsideCheck.objects.create(
        site_id=site_id, file_name=file_name, file=file, file_sha256=hashlib.sha256(file).digest(),
        created_at=at, **fields,
    )  # fmt: skip
    record(
        at=at, by_id=by_id, operator_id=check.site.operator_id, action="outside check attached",
        subject=f"{check.site.slug}/{check.checker}", after={"sha256": check.file_sha256.hex()},
    )  # fmt: skip
    return check


@transaction.atomic(durable=True)
def withdraw_outside_check(*, check_id: int, at: dt.datetime, by_id: int | None) -> None:
    """
    Show a third party's statement to nobody but the operator any more.
    """
    check = OutsideCheck.objects.select_for_update(of=("self",)).select_related("site")
    found = check.defer("file").get(pk=check_id)
    found.withdrawn_at = found.withdrawn_at or at
    found.save(update_fields=["withdrawn_at"])
    record(
        at=at, by_id=by_id, operator_id=found.site.operator_id, action="outside check withdrawn",
        subject=f"{found.site.slug}/{found.checker}",
    )  # fmt: skip


@transaction.atomic(durable=True)
def end_share(*, statement_id: int, at: dt.datetime, by_id: int | None) -> None:
    """
    Take the link to a statement back; without one nothing happens.
    """
    ended = StatementShare.objects.filter(
        statement_id=statement_id, ended_at__isnull=True
    ).update(ended_at=at)  # fmt: skip
    if ended:
        found = Statement.objects.get(pk=statement_id)
        record(
            at=at, by_id=by_id, operator_id=found.operator_id,
            action="statement no longer shared", subject=found.number,
        )  # fmt: skip


def _stated(service_id: int, first_month: dt.date, last_month: dt.date, at: dt.datetime) -> Stated:
    (stated,) = statement_contents(
        service_ids=[service_id], first_month=first_month, last_month=last_month, now=at
    )
    return stated


def _create(stated: Stated, *, at: dt.datetime) -> Statement:
    state = Statement.State.HELD if stated.obstacles else Statement.State.DRAFT
    made = Statement.objects.create(
        operator_id=stated.service.site.operator_id,
        tenant_id=stated.service.tenant_id,
        service=stated.service,
        first_month=stated.first_month,
        last_month=stated.last_month,
        state=state,
        content=stated.content,
        content_sha256=rules.digest(stated.content),
        held=[obstacle.as_kept() for obstacle in stated.obstacles],
        made_at=at,
        checked_at=at,
    )
    StatementInput.objects.bulk_create(
        StatementInput(
            statement=made, channel_id=i.channel_id, role=i.role, readings=i.readings,
            sha256=i.sha256,
        )
        for i in stated.inputs
    )  # fmt: skip
    return made


def _register(operator_id: int) -> StatementRegister:
    # Everybody who issues or ends takes turns here.
    StatementRegister.objects.get_or_create(operator_id=operator_id)
    return StatementRegister.objects.select_for_update().get(operator_id=operator_id)


def _sign(draft: Statement, stated: Stated, *, at: dt.datetime, by_id: int | None) -> Statement:
    """
    Number, sign and put in force a draft whose content is that of `stated`.
    """
    register = _register(draft.operator_id)
    register.last_number += 1
    register.save(update_fields=["last_number"])
    key = current_key(operator_id=draft.operator_id, at=at)
    draft.number = f"EHS-{at.year}-{register.last_number:05d}"
    draft.issued_at, draft.issued_by_id, draft.key = at, by_id, key
    draft.valid_until = rules.holds_until(stated.period.end, at)
    draft.status_index = _free_place(draft.operator_id)
    issuer = Issuer.of(stated.service.site.operator)
    draft.document, draft.jwt = documents.signed_statement(
        statement=draft, issuer=issuer, key=key, private=private_key(key), at=at
    )
    draft.state = Statement.State.ISSUED
    draft.save()
    record(
        at=at, by_id=by_id, operator_id=draft.operator_id, action="statement issued",
        subject=draft.number, after={"sha256": bytes(draft.content_sha256).hex()},
    )  # fmt: skip
    announce(
        operator_id=draft.operator_id, event="statement.issued", subject=draft.number,
        payload={"number": draft.number, "id": str(draft.public_id)}, at=at,
    )  # fmt: skip
    return draft


def _free_place(operator_id: int) -> int:
    # By chance, so that a place tells nothing of when or to whom.
    taken = set(
        Statement.objects.filter(operator_id=operator_id, status_index__isnull=False).values_list(
            "status_index", flat=True
        )
    )
    while True:
        place = secrets.randbelow(PLACES)
        if place not in taken:
            return place


def _end(
    found: Statement, state: Statement.State, reason: str, *, at: dt.datetime, by_id: int | None
) -> None:
    found.state, found.ended_at, found.ended_reason = state, at, reason
    found.save(update_fields=["state", "ended_at", "ended_reason"])
    record(
        at=at, by_id=by_id, operator_id=found.operator_id, action=f"statement {state}",
        subject=found.number, after={"reason": reason},
    )  # fmt: skip


def _sign_status_list(operator_id: int, *, at: dt.datetime) -> None:
    register = StatementRegister.objects.select_related("operator").get(operator_id=operator_id)
    ended: Sequence[int] = [
        place
        for place in Statement.objects.filter(
            operator_id=operator_id, ended_at__isnull=False
        ).values_list("status_index", flat=True)
        if place is not None
    ]
    key: IssuerKey = current_key(operator_id=operator_id, at=at)
    register.status_document, register.status_jwt = documents.signed_status_list(
        issuer=Issuer.of(register.operator), places=ended, key=key, private=private_key(key), at=at
    )
    register.signed_at = at
    register.save(update_fields=["status_document", "status_jwt", "signed_at"])
