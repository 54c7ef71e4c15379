/* Zoomable time series: draws uPlot into every [data-chart] and makes it work from the keyboard.

   The address in data-chart answers {zone, unit, label, range?: [from, to], series: [{label, tone,
   step, t: [unix seconds], v: [number or null], low?, high?: [extremes within each step],
   stretches?: [[from, to, quality, word]], before?: true}]}, or with a single line {t, v, e?:
   [estimated values], zone, unit, label}. Zooming asks again with ?from&to&points, so that the server
   chooses the detail. data-tone names the colour of a single line, data-step holds each value
   until the next; data-zoom-in, -zoom-out, -show-all, -no-data, -failed and -keys are the
   translated words. Where the address in data-chart has start and end, the stretch zoomed to
   stands as from and to in the page's own address: it can be shared, and the way back leads out.

   Left and Right move along the line (with Shift ten points), + and − zoom, 0 shows all. The value
   is spoken through #status; the table beside the chart has the same figures. */
(() => {
  "use strict";
  const HEIGHT = 320, PAUSE = 300;
  const language = document.documentElement.lang;
  const still = document.getElementById("status");

  const TONES = ["heat", "it", "elec", "water", "solar", "lost"];
  const SHADES = { missing: "unk", suspect: "warn", estimated: "est", edited: "est", scaled: "info" };

  // A custom property holds light-dark(…) unresolved; only a used colour can go on a canvas.
  const colours = (element) => {
    const probe = element.appendChild(document.createElement("i"));
    const read = (name) => {
      probe.style.color = `var(--${name})`;
      return getComputedStyle(probe).color;
    };
    const found = { grid: read("line"), text: read("muted") };
    for (const tone of TONES) found[tone] = read(`c-${tone}`);
    for (const name of Object.values(SHADES)) found[name] = read(`${name}-soft`);
    probe.remove();
    return found;
  };

  const pale = (colour) => colour.replace(/^rgb\((.*)\)$/, "rgba($1, 0.22)");

  // One line or many: the same shape for both.
  const linesOf = (answer, element) => answer.series ?? [
    { label: answer.label, tone: element.dataset.tone, step: "step" in element.dataset, t: answer.t, v: answer.v },
    ...(answer.e ? [{ label: answer.label, tone: element.dataset.tone, step: "step" in element.dataset, t: answer.t, v: answer.e, before: true }] : []),
  ];

  class Series {
    constructor(element) {
      this.element = element;
      this.words = {
        zoomIn: "Zoom in", zoomOut: "Zoom out", showAll: "Show all", noData: "no data",
        failed: "The readings could not be loaded.",
        keys: "Arrow keys move along the line, plus and minus zoom, 0 shows all.",
        ...element.dataset,
      };
      const whole = new URL(element.dataset.chart, location.href).searchParams;
      this.shares = whole.has("start") && whole.has("end");
      this.full = this.shares ? [Number(whole.get("start")), Number(whole.get("end"))] : null;
      this.build();
      this.load(...this.asked());
      // Nothing listens once a swap has taken the figure away.
      if (this.shares) addEventListener("popstate", () => element.isConnected && this.load(...this.asked()));
    }

    // The zoom in the page's address, if it lies within what is drawn.
    asked() {
      const address = new URLSearchParams(location.search);
      const [from, to] = ["from", "to"].map((name) => Number(address.get(name) ?? NaN));
      return this.shares && from < to && from >= this.full[0] && to <= this.full[1] ? [from, to] : [];
    }

    keep(from, to) {
      if (!this.shares) return;
      const address = new URL(location.href);
      for (const [name, at] of [["from", from], ["to", to]]) {
        if (at === undefined) address.searchParams.delete(name); else address.searchParams.set(name, at);
      }
      if (address.href !== location.href) history.pushState(null, "", address);
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
        this.ink = colours(element);
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
        url.searchParams.set("from", from);
        url.searchParams.set("to", to);
      }
      if (url.searchParams.has("start")) url.searchParams.set("points", this.element.clientWidth || 1000);
      this.waiting?.abort();
      this.waiting = new AbortController();
      this.element.setAttribute("aria-busy", "true");
      try {
        const answer = await fetch(url, { signal: this.waiting.signal, headers: { Accept: "application/json" } });
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
      this.lines = linesOf(series, this.element);
      this.number = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
      const shown = (options) => new Intl.DateTimeFormat(language, { timeZone: series.zone, ...options });
      const day = { day: "numeric", month: "short" };
      const time = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
      this.moment = shown({ ...day, year: "numeric", ...time });
      this.scales = { year: shown({ month: "short", year: "numeric" }), month: shown({ month: "short" }), day: shown(day), time: shown(time) };
      // What one line lacks is null where it has a gap and undefined where only others have a point.
      this.columns = this.lines.flatMap((line) => (line.low ? ["v", "low", "high"] : ["v"]).map((name) => [line, name]));
      const tables = this.lines.map((line) => [line.t, line.v, ...(line.low ? [line.low, line.high] : [])]);
      this.data = tables.length > 1
        ? uPlot.join(tables, tables.map((table) => table.map(() => 1)))
        : tables[0];
      const t = this.data[0];
      this.range = [from ?? series.range?.[0] ?? t[0], to ?? series.range?.[1] ?? t[t.length - 1]];
      this.full ??= this.range;
      const known = this.lines.some((line) => line.v.some((value) => value != null));
      this.readout.textContent = known ? `${series.label}, ${series.unit}` : this.words.noData;
      this.name();
      this.plot?.destroy();
      this.plot = new uPlot(this.options(), this.data, this.element);
    }

    options() {
      const { element, series } = this;
      const stepped = uPlot.paths.stepped({ align: 1 });
      const ink = (line) => this.ink[line.tone] ?? this.ink.heat;
      const axis = (values, extra) => ({
        stroke: () => this.ink.text,
        grid: { stroke: () => this.ink.grid, width: 1 },
        ticks: { stroke: () => this.ink.grid, width: 1 },
        font: `13px ${getComputedStyle(element).fontFamily}`,
        values,
        ...extra,
      });
      const drawn = this.columns.map(([line, name]) => ({
        stroke: name === "v" ? () => ink(line) : undefined,
        width: name === "v" ? 2 : 0,
        dash: line.before ? [5, 4] : undefined,
        spanGaps: false,
        paths: line.step ? stepped : undefined,
        points: name === "v" ? undefined : { show: false },
      }));
      // Between the lowest and highest of each line lies its band.
      const bands = this.columns.flatMap(([line, name], n) =>
        name === "high" ? [{ series: [n + 1, n], fill: () => pale(ink(line)) }] : []);
      return {
        width: element.clientWidth,
        height: HEIGHT,
        legend: { show: false },
        cursor: { drag: { x: true, y: false, setScale: false }, points: { size: 7 } },
        tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), series.zone),
        scales: { x: { range: () => this.range }, y: { range: (plot, low, high) => this.upright(low, high) } },
        axes: [
          axis((plot, splits, index, space, step) => splits.map((at) => this.tick(at, step)), { space: 76 }),
          axis((plot, splits) => splits.map((value) => this.number.format(value)), { size: 64 }),
        ],
        series: [{}, ...drawn],
        bands,
        hooks: {
          drawClear: [(plot) => this.shade(plot)],
          setCursor: [(plot) => this.read(plot.cursor.idx)],
          setSelect: [(plot) => {
            const { left, width } = plot.select;
            if (width > 4) this.show(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
          }],
        },
      };
    }

    // Power and energy stand on zero, so that twice as high is twice as much; temperatures do not.
    upright(low, high) {
      if (this.series.unit === "%") return [0, 105];
      const [from, to] = uPlot.rangeNum(low ?? 0, high ?? 1, 0.1, true);
      return low >= 0 && !["°C", "K"].includes(this.series.unit) ? [0, to] : [from, to];
    }

    // The legend beside the figure names only the qualities that are there to see.
    name() {
      const there = new Set((this.lines[0].stretches ?? []).map(([, , quality]) => (quality === "edited" ? "estimated" : quality)));
      const legend = this.element.parentElement.querySelector("[data-legend]");
      for (const entry of legend?.querySelectorAll("[data-quality]") ?? []) entry.hidden = !there.has(entry.dataset.quality);
      const band = this.element.parentElement.querySelector("[data-band]");
      if (band) band.hidden = !this.lines.some((line) => line.low);
    }

    // Behind the first line: what was not measured, estimated or is to be checked.
    shade({ ctx, bbox, valToPos }) {
      ctx.save();
      ctx.beginPath();
      ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
      ctx.clip();
      for (const [from, to, quality] of this.lines[0].stretches ?? []) {
        const left = valToPos(from, "x", true);
        ctx.fillStyle = this.ink[SHADES[quality]] ?? this.ink.grid;
        ctx.fillRect(left, bbox.top, Math.max(valToPos(to, "x", true) - left, 1), bbox.height);
      }
      ctx.restore();
    }

    tick(at, step) {
      const date = new Date(at * 1000);
      if (step >= 28 * 86_400) {
        return this.range[1] - this.range[0] > 500 * 86_400 ? this.scales.year.format(date) : this.scales.month.format(date);
      }
      const time = this.scales.time.format(date);
      return step >= 86_400 || time === "00:00" ? this.scales.day.format(date) : time;
    }

    // The value a line has at a point of another is the one it had last.
    valueAt(column, index) {
      const values = this.data[column];
      while (index > 0 && values[index] === undefined) index -= 1;
      return values[index];
    }

    read(index) {
      if (index == null) return;
      const { unit } = this.series;
      const at = this.data[0][index];
      const values = this.columns.flatMap(([line, name], n) => {
        if (name !== "v") return [];
        const value = this.valueAt(n + 1, index);
        return [[line, value == null ? this.words.noData : `${this.number.format(value)} ${unit}`]];
      });
      const told = this.lines.length > 1 && this.series.series
        ? values.map(([line, said]) => `${line.label} ${said}`).join("; ")
        : values.find(([, said]) => said !== this.words.noData)?.[1] ?? this.words.noData;
      const stretch = this.lines[0].stretches?.find(([from, to, quality]) => quality !== "missing" && from <= at && at < to);
      this.readout.textContent = `${this.moment.format(new Date(at * 1000))}: ${told}${stretch ? `. ${stretch[3]}` : ""}`;
    }

    show(from, to) {
      const [start, end] = this.full ?? [from, to];
      const whole = from === undefined || (from <= start && to >= end);
      const stretch = whole ? [] : [Math.floor(Math.max(from, start)), Math.ceil(Math.min(to, end))];
      this.keep(...stretch);
      return this.load(...stretch);
    }

    zoom(factor) {
      if (!this.plot) return;
      const [from, to] = this.range;
      const index = this.plot.cursor.idx;
      const at = index == null ? (from + to) / 2 : this.data[0][index];
      const half = Math.max(((to - from) * factor) / 2, 60);
      this.show(at - half, at + half);
    }

    move(by) {
      const t = this.data[0];
      // Points beyond the edges are only there for the line to come from and go to.
      const inside = t.flatMap((at, n) => (at >= this.range[0] && at <= this.range[1] ? [n] : []));
      if (!inside.length) return;
      const first = inside[0], last = inside[inside.length - 1];
      const now = this.plot.cursor.idx ?? (by > 0 ? first - 1 : last + 1);
      const index = Math.min(Math.max(now + by, first), last);
      const value = this.valueAt(1, index);
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
