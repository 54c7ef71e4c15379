/* Zoomable time series: draws uPlot into every [data-chart] and makes it work from the keyboard.

   The address in data-chart answers {t: [unix seconds], v: [number or null], e?: [estimated values],
   zone, unit, label}. Zooming asks again with ?from&to, so that the server chooses the detail.
   data-tone names the colour, data-step holds each value until the next; data-zoom-in, -zoom-out,
   -show-all, -no-data, -failed and -keys are the translated words.

   Left and Right move along the line (with Shift ten points), + and − zoom, 0 shows all. The value
   is spoken through #status; the table beside the chart has the same figures. */
(() => {
  "use strict";
  const HEIGHT = 320, PAUSE = 300;
  const language = document.documentElement.lang;
  const still = document.getElementById("status");

  // A custom property holds light-dark(…) unresolved; only a used colour can go on a canvas.
  const colours = (element, tone) => {
    const probe = element.appendChild(document.createElement("i"));
    const read = (name) => {
      probe.style.color = `var(--${name})`;
      return getComputedStyle(probe).color;
    };
    const found = { line: read(`c-${tone}`), grid: read("line"), text: read("muted") };
    probe.remove();
    return found;
  };

  class Series {
    constructor(element) {
      this.element = element;
      this.words = {
        zoomIn: "Zoom in", zoomOut: "Zoom out", showAll: "Show all", noData: "no data",
        failed: "The readings could not be loaded.",
        keys: "Arrow keys move along the line, plus and minus zoom, 0 shows all.",
        ...element.dataset,
      };
      this.full = null;
      this.build();
      this.load();
    }

    build() {
      const { element, words } = this;
      element.tabIndex = 0;
      element.setAttribute("role", "application");
      element.setAttribute("aria-description", words.keys);
      this.tools = document.createElement("div");
      this.tools.className = "plot-tools";
      this.readout = this.tools.appendChild(document.createElement("p"));
      this.readout.className = "small muted";
      for (const [word, act] of [
        [words.zoomIn, () => this.zoom(0.5)],
        [words.zoomOut, () => this.zoom(2)],
        [words.showAll, () => this.show()],
      ]) {
        const button = this.tools.appendChild(document.createElement("button"));
        button.type = "button";
        button.className = "btn small";
        button.textContent = word;
        button.addEventListener("click", act);
      }
      element.before(this.tools);
      element.addEventListener("keydown", (event) => this.key(event));
      const redraw = () => {
        this.ink = colours(element, element.dataset.tone ?? "heat");
        this.plot?.redraw(false, true);
      };
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
      new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
      new ResizeObserver(() => this.plot?.setSize({ width: element.clientWidth, height: HEIGHT })).observe(element);
      redraw();
    }

    async load(from, to) {
      const url = new URL(this.element.dataset.chart, location.href);
      if (from !== undefined) {
        url.searchParams.set("from", Math.floor(from));
        url.searchParams.set("to", Math.ceil(to));
      }
      this.asked?.abort();
      this.asked = new AbortController();
      this.element.setAttribute("aria-busy", "true");
      try {
        const answer = await fetch(url, { signal: this.asked.signal, headers: { Accept: "application/json" } });
        if (!answer.ok) throw new Error(answer.status);
        this.draw(await answer.json(), from, to);
      } catch (error) {
        if (error.name === "AbortError") return;
        this.readout.textContent = this.words.failed;
        if (still) still.textContent = this.words.failed;
      }
      this.element.removeAttribute("aria-busy");
    }

    draw(series, from, to) {
      this.series = series;
      this.number = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
      const shown = (options) => new Intl.DateTimeFormat(language, { timeZone: series.zone, ...options });
      const day = { day: "numeric", month: "short" };
      const time = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
      this.moment = shown({ ...day, year: "numeric", ...time });
      this.scales = { month: shown({ month: "short" }), day: shown(day), time: shown(time) };
      const first = series.t[0], last = series.t[series.t.length - 1];
      this.range = [from ?? first, to ?? last];
      this.full ??= this.range;
      this.readout.textContent = series.t.length ? `${series.label}, ${series.unit}` : this.words.noData;
      this.plot?.destroy();
      const data = [series.t, series.v, ...(series.e ? [series.e] : [])];
      this.plot = new uPlot(this.options(), data, this.element);
    }

    options() {
      const { element, series } = this;
      const paths = "step" in element.dataset ? uPlot.paths.stepped({ align: 1 }) : undefined;
      const line = (extra) => ({ stroke: () => this.ink.line, width: 2, spanGaps: false, paths, ...extra });
      const axis = (values, extra) => ({
        stroke: () => this.ink.text,
        grid: { stroke: () => this.ink.grid, width: 1 },
        ticks: { stroke: () => this.ink.grid, width: 1 },
        font: `13px ${getComputedStyle(element).fontFamily}`,
        values,
        ...extra,
      });
      return {
        width: element.clientWidth,
        height: HEIGHT,
        legend: { show: false },
        cursor: { drag: { x: true, y: false, setScale: false }, points: { size: 7 } },
        tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), series.zone),
        scales: { x: { range: () => this.range } },
        axes: [
          axis((plot, splits, index, space, step) => splits.map((at) => this.tick(at, step)), { space: 76 }),
          axis((plot, splits) => splits.map((value) => this.number.format(value)), { size: 64 }),
        ],
        series: [{}, line(), ...(series.e ? [line({ dash: [5, 4] })] : [])],
        hooks: {
          setCursor: [(plot) => this.read(plot.cursor.idx)],
          setSelect: [(plot) => {
            const { left, width } = plot.select;
            if (width > 4) this.show(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
          }],
        },
      };
    }

    tick(at, step) {
      const date = new Date(at * 1000);
      if (step >= 28 * 86_400) return this.scales.month.format(date);
      const time = this.scales.time.format(date);
      return step >= 86_400 || time === "00:00" ? this.scales.day.format(date) : time;
    }

    read(index) {
      if (index == null) return;
      const { t, v, e, unit } = this.series;
      const value = v[index] ?? e?.[index];
      const said = value == null ? this.words.noData : `${this.number.format(value)} ${unit}`;
      this.readout.textContent = `${this.moment.format(new Date(t[index] * 1000))}: ${said}`;
    }

    show(from, to) {
      if (from === undefined) return this.load();
      const [start, end] = this.full ?? [from, to];
      return from <= start && to >= end ? this.load() : this.load(Math.max(from, start), Math.min(to, end));
    }

    zoom(factor) {
      if (!this.plot) return;
      const [from, to] = this.range;
      const index = this.plot.cursor.idx;
      const at = index == null ? (from + to) / 2 : this.series.t[index];
      const half = Math.max(((to - from) * factor) / 2, 60);
      this.show(at - half, at + half);
    }

    move(by) {
      const { t, v, e } = this.series;
      const now = this.plot.cursor.idx;
      const start = by > 0 ? -1 : t.length;
      const index = Math.min(Math.max((now ?? start) + by, 0), t.length - 1);
      const value = v[index] ?? e?.[index];
      this.plot.setCursor({
        left: this.plot.valToPos(t[index], "x"),
        top: value == null ? 0 : this.plot.valToPos(value, "y"),
      });
      clearTimeout(this.speaking);
      this.speaking = setTimeout(() => {
        if (still) still.textContent = this.readout.textContent;
      }, PAUSE);
    }

    key(event) {
      if (!this.plot || event.ctrlKey || event.metaKey || event.altKey) return;
      const far = event.shiftKey ? 10 : 1;
      const act = {
        ArrowLeft: () => this.move(-far), ArrowRight: () => this.move(far),
        "+": () => this.zoom(0.5), "=": () => this.zoom(0.5),
        "-": () => this.zoom(2), "−": () => this.zoom(2), 0: () => this.show(),
      }[event.key];
      if (!act) return;
      event.preventDefault();
      act();
    }
  }

  const mount = (root) => {
    for (const element of root.querySelectorAll("[data-chart]:not([role])")) new Series(element);
  };
  document.addEventListener("htmx:after:swap", () => mount(document));
  mount(document);
})();
