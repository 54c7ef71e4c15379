"""
Forms of probes, incidents and announced work: validate, never save.
"""

from __future__ import annotations

import datetime as dt
import re
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from portal.forms.alarms import Choices, at_site
from portal.forms.money import ListFilter, search_field
from telemetry.domain import supply

PARTS = [("it", _("Servers")), ("heat", _("Heat"))]
CAUSES = [
    ("unknown", _("Not known yet")), ("power", _("Power")), ("cooling", _("Cooling")),
    ("network", _("Network")), ("hardware", _("Hardware")), ("software", _("Software")),
    ("heat_system", _("Heat system")), ("partner", _("At the heat partner’s side")),
    ("outside", _("Outside anybody’s control")),
]  # fmt: skip
_MOMENT = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")


@dataclass(frozen=True, slots=True)
class About:
    """
    What an incident or work can be about, as a choice.
    """

    site_id: int
    part: str
    service_id: int | None = None
    delivery_id: int | None = None

    @property
    def key(self) -> str:
        if self.service_id is not None:
            return f"service-{self.service_id}"
        if self.delivery_id is not None:
            return f"delivery-{self.delivery_id}"
        return f"{self.part}-{self.site_id}"


def subjects(sites: Sequence[Any], services: Sequence[Any], deliveries: Sequence[Any]) -> Subjects:
    """
    Return what an incident or work at the sites can be about.
    """
    found: dict[str, About] = {}
    groups: list[tuple[str, list[tuple[str, str]]]] = []
    for site in sites:
        rows = [
            (About(site.pk, "all"), gettext("%s: all of the site") % site.name),
            (About(site.pk, "it"), gettext("%s: all servers") % site.name),
            (About(site.pk, "heat"), gettext("%s: all heat") % site.name),
            *((About(site.pk, "it", service_id=s.pk), f"{s.name} ({s.tenant.name})")
              for s in services if s.site_id == site.pk),
            *((About(site.pk, "heat", delivery_id=d.pk), f"{d.name} ({d.partner.name})")
              for d in deliveries if d.site_id == site.pk),
        ]  # fmt: skip
        found |= {about.key: about for about, _ in rows}
        groups.append((site.name, [(about.key, name) for about, name in rows]))
    return Subjects(found, groups, {site.pk: site.timezone for site in sites})


@dataclass(frozen=True, slots=True)
class Subjects:
    """
    The choices by key, as a select shows them by site, and the zone of each site.
    """

    by_key: dict[str, About]
    groups: list[tuple[str, list[tuple[str, str]]]]
    zones: dict[int, str]


class _SiteFilter(ListFilter):
    site = forms.TypedChoiceField(label=_("Site"), required=False, coerce=int, empty_value=None)

    def __init__(self, data: Any, *, sites: Choices) -> None:
        super().__init__(data)
        self.fields["site"].choices = [("", _("All")), *sites]  # type: ignore[attr-defined]


class IncidentFilter(_SiteFilter):
    """
    Search in incidents by words, site, part, cause and state.
    """

    search = search_field(_("Title, words, site"))
    state = forms.ChoiceField(
        label=_("State"), required=False,
        choices=[
            ("", _("All")), ("open", _("Not over")), ("over", _("Over")),
            ("withdrawn", _("Withdrawn")),
        ],
    )  # fmt: skip
    part = forms.ChoiceField(label=_("Part"), required=False, choices=[("", _("All")), *PARTS])
    cause = forms.ChoiceField(label=_("Cause"), required=False, choices=[("", _("All")), *CAUSES])
    field_order = ("search", "state", "site", "part", "cause")


class WorkFilter(_SiteFilter):
    """
    Search in announced work.
    """

    search = search_field(_("Reason, words, site"))
    coming = forms.BooleanField(label=_("Not over"), required=False)
    field_order = ("search", "site", "coming")


class ProbeFilter(_SiteFilter):
    """
    Search in probes by name, site and what they found last.
    """

    search = search_field(_("Name, address, site"))
    state = forms.ChoiceField(
        label=_("State"), required=False,
        choices=[
            ("", _("All")), ("up", _("Answers")), ("down", _("No answer")),
            ("paused", _("Paused")), ("none", _("Never asked")),
        ],
    )  # fmt: skip
    field_order = ("search", "state", "site")


class _Stretch(forms.Form):
    """
    Two moments by the clock of the site.
    """

    start = forms.DateTimeField(label=_("From"), widget=_MOMENT, help_text=_("time of the site"))
    end = forms.DateTimeField(label=_("Until"), widget=_MOMENT, help_text=_("time of the site"))

    zone: str | None = None

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if self.zone is None:
            return data
        for name in ("start", "end"):
            if data.get(name) is not None:
                data[name] = at_site(data[name], self.zone)
        if data.get("start") and data.get("end") and data["end"] <= data["start"]:
            self.add_error("end", gettext("It must end after it begins."))
        return data


class IncidentFields(_Stretch):
    """
    What of an incident can be changed.
    """

    cause = forms.ChoiceField(label=_("Cause"), choices=CAUSES)
    title = forms.CharField(
        label=_("Title"), max_length=120, help_text=_("customers read it: say what did not work")
    )
    text = forms.CharField(
        label=_("What happened"), required=False, max_length=5000,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=_("customers read it too"),
    )  # fmt: skip
    field_order = ("about", "start", "end", "cause", "title", "text")

    def __init__(self, data: Any, *, now: dt.datetime, zone: str | None, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.now, self.zone = now, zone
        self.fields["end"].required = False
        self.fields["end"].help_text = _("empty: it is not over")

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        for name in ("start", "end"):
            moment = data.get(name)
            # Without a site there is no zone, and the moment is not yet one.
            if self.zone is not None and moment is not None and moment > self.now:
                self.add_error(name, gettext("It lies in the future. Announce work instead."))
        return data


class IncidentForm(IncidentFields):
    """
    An incident that a person records.
    """

    about = forms.ChoiceField(label=_("What was not there"))

    def __init__(self, data: Any, *, subjects: Subjects, now: dt.datetime, **kwargs: Any) -> None:
        self.subject = subjects.by_key.get(data.get("about", "")) if data else None
        zone = subjects.zones[self.subject.site_id] if self.subject else None
        super().__init__(data, now=now, zone=zone, **kwargs)
        self.fields["about"].choices = subjects.groups  # type: ignore[attr-defined]


class WorkForm(_Stretch):
    """
    Work that is about to be announced. `unplanned` is asked for where its time would not be
    planned time.
    """

    about = forms.ChoiceField(label=_("What it touches"))
    reason = forms.CharField(
        label=_("What is done"), max_length=120, help_text=_("customers read it")
    )
    text = forms.CharField(
        label=_("What customers must know"), required=False, max_length=5000,
        widget=forms.Textarea(attrs={"rows": 4}),
    )  # fmt: skip
    unplanned = forms.BooleanField(
        label=_("Announce it all the same; what is not planned time counts as down"),
        required=False,
    )
    field_order = ("about", "start", "end", "reason", "text", "unplanned")

    def __init__(self, data: Any, *, subjects: Subjects, now: dt.datetime, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.now = now
        self.subject = subjects.by_key.get(data.get("about", "")) if data else None
        self.zone = subjects.zones[self.subject.site_id] if self.subject else None
        self.fields["about"].choices = subjects.groups  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        end = data.get("end")
        if self.zone is not None and end is not None and end <= self.now:
            self.add_error("end", gettext("It is over already. Record an incident instead."))
        return data


class PolicyForm(forms.Form):
    """
    What is agreed about work at a site.
    """

    notice_h = forms.IntegerField(
        label=_("Announced at least so many hours ahead"), min_value=0, max_value=24 * 60
    )
    allowance_min = forms.IntegerField(
        label=_("Minutes of it a month for one customer"), min_value=0, max_value=44_640
    )
    yearly_min = forms.IntegerField(
        label=_("Minutes of it a calendar year for one customer"), required=False, min_value=0,
        max_value=525_600, help_text=_("Empty: no more than the months allow"),
    )  # fmt: skip
    hours = forms.CharField(
        label=_("Hours in which it is done"), required=False, max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3, "class": "mono"}),
        help_text=_(
            "By the clock of the site, one line each, such as Tue, Thu 00:00-05:00; empty: at any"
            " time. Work outside counts as down."
        ),
    )  # fmt: skip

    def clean_hours(self) -> list[supply.Band]:
        try:
            return supply.read_bands(self.cleaned_data["hours"])
        except supply.NotUnderstood as problem:
            raise forms.ValidationError(str(problem)) from None


_HOST_PORT = re.compile(r"^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})$")


class ProbeForm(forms.Form):
    """
    A probe: what it asks, how often, and for what its answer speaks.
    """

    about = forms.ChoiceField(
        label=_("Speaks for"), help_text=_("a service, or all servers of the site")
    )
    name = forms.CharField(label=_("Name"), max_length=80)
    kind = forms.ChoiceField(
        label=_("Asks by"),
        choices=[("http", _("HTTP: an answer below 400")), ("tcp", _("TCP: a connection"))],
    )
    target = forms.CharField(
        label=_("Address"), max_length=300,
        help_text=_("https://host/path, or host:port for TCP; seen from the portal"),
    )  # fmt: skip
    interval_s = forms.IntegerField(
        label=_("Every, seconds"), min_value=10, max_value=86_400, initial=60
    )
    timeout_s = forms.IntegerField(
        label=_("Waits for an answer, seconds"), min_value=1, max_value=60, initial=10
    )

    def __init__(self, data: Any, *, subjects: Subjects, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.by_key = subjects.by_key
        self.fields["about"].choices = [  # type: ignore[attr-defined]
            (site, [row for row in rows if row[0].startswith(("it-", "service-"))])
            for site, rows in subjects.groups
        ]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        target, kind = data.get("target", ""), data.get("kind")
        if kind == "http" and target:
            self._check_url(target)
        elif kind == "tcp" and target:
            found = _HOST_PORT.match(target)
            if not found or not 0 < int(found[2]) < 65536:
                self.add_error("target", gettext("Enter a host and a port, like 192.0.2.1:443."))
        interval, timeout = data.get("interval_s"), data.get("timeout_s")
        if interval and timeout and timeout >= interval:
            self.add_error(
                "timeout_s", gettext("It must be less than the time from one question to the next.")
            )
        return data

    def _check_url(self, target: str) -> None:
        try:
            url = urllib.parse.urlsplit(target)
            fine = url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
        except ValueError:
            fine = False
        if not fine:
            self.add_error("target", gettext("Enter an address like https://example.org/health."))

    def fields_of(self) -> dict[str, Any]:
        """
        Return what was typed as arguments of `telemetry.operations.add_probe`.
        """
        data = dict(self.cleaned_data)
        about: About = self.by_key[data.pop("about")]
        return {**data, "site_id": about.site_id, "hosting_service_id": about.service_id}


class SpanForm(forms.Form):
    """
    The stretch that availability is told of: the last 90 days, or a month.
    """

    span = forms.ChoiceField(label=_("Time"), required=False)

    def __init__(self, data: Any, *, months: Choices) -> None:
        super().__init__(data)
        self.fields["span"].choices = [  # type: ignore[attr-defined]
            ("", _("The last 90 days")), *months,
        ]  # fmt: skip

    def chosen(self) -> str:
        """
        Return the month as "2026-10", "" for the last 90 days or what was not understood.
        """
        return str(self.cleaned_data["span"]) if self.is_valid() else ""
