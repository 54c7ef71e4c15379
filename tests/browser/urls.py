"""
The portal's addresses and a style guide: every drawing and control on one page, and answers that
fail, are slow or are wrong.
"""

import time

from django.http import HttpRequest, HttpResponse, HttpResponseServerError, JsonResponse
from django.template import engines
from django.urls import path

from portal.urls import urlpatterns as portal_urls
from tests.browser.conftest import STYLEGUIDE
from tests.portal.test_charts import DRAWINGS

ANSWER = (
    '<h3>New part</h3><button class="btn" hx-get="fragment/" hx-target="#fragment">More</button>'
)
HOUR = 3_600
# Midnight of 25 October 2025 in London; the clocks go back on the 26th.
START = 1_761_346_800


def styleguide(request: HttpRequest) -> HttpResponse:
    template = engines["django"].from_string(STYLEGUIDE.read_text())
    charts = [(name, draw(label=f"The {name}")) for name, draw in DRAWINGS.items()]
    return HttpResponse(template.render({"charts": charts, "fragment": "As loaded"}, request))


def fragment(request: HttpRequest) -> HttpResponse:
    answer = HttpResponse("Polled" if "poll" in request.GET else ANSWER)
    answer["HX-Trigger"] = '{"announce": "Part loaded"}'
    return answer


def broken(request: HttpRequest) -> HttpResponse:
    answer = HttpResponseServerError("<h1>Failed</h1>")
    answer["X-Request-ID"] = "abcdef123456"
    return answer


def missing(request: HttpRequest) -> HttpResponse:
    return HttpResponse("<h1>Not here</h1>", status=404)


def invalid(request: HttpRequest) -> HttpResponse:
    return HttpResponse("<p>Enter the price in pounds</p>", status=422)


def slow(request: HttpRequest) -> HttpResponse:
    time.sleep(1)
    return HttpResponse("<p>At last</p>")


def series(request: HttpRequest) -> JsonResponse:
    start = int(request.GET.get("from", START))
    end = int(request.GET.get("to", START + 72 * HOUR))
    hours = [at for at in range(START, START + 73 * HOUR, HOUR) if start <= at <= end]
    values = [None if 10 <= (at - START) // HOUR < 14 else (at // HOUR) % 24 for at in hours]
    return JsonResponse(
        {"t": hours, "v": values, "zone": "Europe/London", "unit": "kW", "label": "Heat"}
    )


urlpatterns = [
    *portal_urls,
    path("styleguide/", styleguide),
    path("styleguide/fragment/", fragment),
    path("styleguide/broken/", broken),
    path("styleguide/missing/", missing),
    path("styleguide/invalid/", invalid),
    path("styleguide/slow/", slow),
    path("styleguide/series.json", series, name="styleguide-series"),
]
