/* What pages need beyond htmx: the beat that polls, what to say when a request fails or is slow,
   where the focus goes after a swap, dialogs and copying. Texts come from the page (#banners), so
   that they are translated there. Nothing here is needed to read or to write anything.

   hx-trigger="tick from:body"    polls every 10 s while the page is seen and nobody fills a dialog
   [data-focus]                   gets the focus when the control that had it was replaced
   HX-Trigger {"announce": text}  is spoken through #status
   [data-copy="#id" or a text]    copies; data-copied is said when done
   [data-opens="#id"]             opens a dialog; [data-closes] closes the one around it, and so does
                                  a press beside one with [data-beside]
   #drawer                        opens when something was put into #drawer-body
   [data-ticks="name"]            ticks all boxes of that name in its form */
(() => {
  "use strict";
  const BEAT = 10_000, ENOUGH = 5, BAR = 150, SLOW = 3_000, CANCEL = 10_000;
  const { body } = document;
  const find = (selector, from = document) => from.querySelector(selector);
  const clock = new Intl.DateTimeFormat(document.documentElement.lang, { hour: "2-digit", minute: "2-digit" });
  let fresh = new Date();
  let failures = 0;

  // Asked for by the page itself and not by a person.
  const byItself = (ctx) => ["tick", "every", "load"].includes(ctx.sourceEvent?.type);

  const say = (text, where = "#status") => {
    const region = find(where);
    if (region) region.textContent = text;
  };

  // -- the beat -------------------------------------------------------------------------------

  const tick = () => {
    if (document.hidden || failures >= ENOUGH || find("dialog[open]")) return;
    body.dispatchEvent(new CustomEvent("tick"));
  };
  setInterval(tick, BEAT);
  document.addEventListener("visibilitychange", tick);

  // -- banners: stale, unchanged, unsure, slow ------------------------------------------------

  const takeDown = (kind) => find(`.banner[data-kind="${kind}"]`)?.remove();

  const putUp = (kind, act, details = {}) => {
    const template = find("#banners")?.content.querySelector(`[data-kind="${kind}"]`);
    if (!template) return;
    takeDown(kind);
    const banner = template.cloneNode(true);
    for (const slot of banner.querySelectorAll("[data-slot]")) {
      slot.textContent = details[slot.dataset.slot] ?? "";
    }
    const button = find("button", banner);
    button?.addEventListener("click", () => { banner.remove(); act(); });
    find("main").before(banner);
    const words = find("p", banner).textContent.trim();
    if (kind !== "slow") say(words, "#alert"); else say(words);
    return banner;
  };

  const failed = (ctx, status) => {
    const { action, method } = ctx.request;
    if (method !== "GET") {
      // A server's error undoes all it did; of an answer that never came we know nothing.
      const reference = ctx.response?.headers.get("X-Request-ID")?.slice(0, 8);
      putUp(status ? "unchanged" : "unsure", () => location.reload(), { reference });
      return;
    }
    failures += 1;
    // Said once, not with every beat.
    if (find('.banner[data-kind="stale"]')) return;
    const { sourceElement: source, target, asked: swap } = ctx;
    putUp("stale", () => {
      failures = 0;
      say("", "#alert");
      if (source.isConnected) htmx.ajax("GET", action, { source, target, swap });
      else tick();
    }, { time: clock.format(fresh) });
  };

  body.addEventListener("htmx:response:error", ({ detail: { ctx } }) => {
    const { status } = ctx.response;
    // 422 is a form with its errors and belongs in its place; any other page does not.
    if (status === 422) return;
    ctx.asked = ctx.swap;
    ctx.swap = "none";
    failed(ctx, status);
  });

  body.addEventListener("htmx:error", ({ detail: { ctx } }) => {
    if (!ctx?.request || ctx.response) return;
    ctx.asked = ctx.swap;
    failed(ctx, 0);
  });

  body.addEventListener("htmx:after:request", ({ detail: { ctx } }) => {
    if (ctx.response.status >= 400) return;
    fresh = new Date();
    failures = 0;
    takeDown("stale");
    say("", "#alert");
  });

  // -- busy -----------------------------------------------------------------------------------

  body.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
    ctx.focused = document.activeElement;
    if (byItself(ctx)) return;
    const target = ctx.target;
    const waits = [];
    const after = (delay, act) => waits.push(setTimeout(act, delay));
    after(BAR, () => {
      target?.setAttribute("aria-busy", "true");
      ctx.bar = body.appendChild(document.createElement("div"));
      ctx.bar.className = "busy-bar";
    });
    after(SLOW, () => {
      const stop = () => ctx.sourceElement.dispatchEvent(new CustomEvent("htmx:abort"));
      const button = putUp("slow", stop) && find('.banner[data-kind="slow"] button');
      if (button) {
        button.hidden = true;
        after(CANCEL - SLOW, () => { button.hidden = false; });
      }
    });
    ctx.rest = () => {
      waits.forEach(clearTimeout);
      target?.removeAttribute("aria-busy");
      ctx.bar?.remove();
      takeDown("slow");
    };
  });

  document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => ctx.rest?.());

  // -- focus after a swap ---------------------------------------------------------------------

  document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
    const target = ctx.target?.isConnected ? ctx.target : document.getElementById(ctx.target?.id);
    const dialog = target?.closest("dialog");
    if (dialog && !dialog.open && !byItself(ctx)) dialog.showModal();
    const lost = ctx.focused && ctx.focused !== body && !ctx.focused.isConnected;
    if (!target || !lost || document.activeElement !== body) return;
    const next = find("[data-focus]", target) ?? find("h1, h2, h3", target) ?? target;
    if (next.tabIndex < 0) next.tabIndex = -1;
    next.focus({ preventScroll: true });
  });

  document.addEventListener("announce", ({ detail }) => say(detail.value));

  // -- narrow windows: what is beyond the edge, and filters behind one button -------------------

  const narrow = matchMedia("(max-width: 40rem)");

  const showCurrent = () => {
    for (const link of document.querySelectorAll(".top nav [aria-current], .tabs [aria-current]")) {
      const list = link.closest("ul");
      list.scrollLeft = link.offsetLeft - list.offsetLeft - list.clientWidth / 3;
    }
  };

  const fold = (form) => {
    const fields = form.querySelectorAll("label");
    const template = find("#banners")?.content.querySelector('[data-kind="filters"]');
    if (fields.length < 3 || !template || find(".unfold", form)) return;
    const button = template.cloneNode(true);
    const count = () => {
      const set = [...fields].slice(1).filter((label) => {
        const control = find("input, select", label);
        return control?.type === "checkbox" ? control.checked : control?.value;
      });
      find("[data-slot]", button).textContent = set.length || "";
    };
    count();
    form.addEventListener("change", count);
    button.addEventListener("click", () => {
      button.setAttribute("aria-expanded", String(!form.classList.toggle("folded")));
    });
    fields[0].after(button);
    form.classList.add("folded");
  };

  const fit = () => {
    if (!narrow.matches) return;
    showCurrent();
    document.querySelectorAll("form.filters[role=search]").forEach(fold);
  };
  narrow.addEventListener("change", fit);
  fit();

  // -- dialogs, menus, copying ----------------------------------------------------------------

  const copied = async (text) => {
    // The clipboard is closed to pages served without TLS, as on an operator's own network.
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    const field = body.appendChild(document.createElement("textarea"));
    field.value = text;
    field.className = "sr";
    field.select();
    document.execCommand("copy");
    field.remove();
  };

  const copy = async (button) => {
    const { copy: what, copied: done } = button.dataset;
    const source = what.startsWith("#") && find(what);
    await copied(source ? (source.value ?? source.textContent.trim()) : what);
    button.focus();
    if (done) say(done);
    button.classList.add("done");
    setTimeout(() => button.classList.remove("done"), 2_000);
  };

  const closeMenus = (except) => {
    for (const menu of document.querySelectorAll("details.me[open]")) {
      if (!menu.contains(except)) menu.open = false;
    }
  };

  document.addEventListener("click", ({ target }) => {
    closeMenus(target);
    if (target.matches?.("dialog[data-beside]")) return target.close();
    const control = target.closest?.("[data-copy], [data-opens], [data-closes]");
    if (!control) return;
    if ("copy" in control.dataset) copy(control);
    else if ("opens" in control.dataset) find(control.dataset.opens)?.showModal();
    else control.closest("dialog")?.close();
  });

  // -- the drawer -----------------------------------------------------------------------------

  const drawer = find("#drawer");
  document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
    if (ctx.target?.id !== "drawer-body" || drawer.open) return;
    drawer.showModal();
    drawer.scrollTop = 0;
  });
  // A tick for all rows that can be chosen: [data-ticks="name of their boxes"].
  document.addEventListener("change", ({ target }) => {
    const name = target.dataset?.ticks;
    if (!name) return;
    for (const box of target.form.querySelectorAll(`input[type=checkbox][name="${name}"]`)) box.checked = target.checked;
  });

  document.addEventListener("keydown", ({ key }) => {
    if (key !== "Escape") return;
    const menu = document.activeElement?.closest("details.me[open]");
    closeMenus();
    if (menu) find("summary", menu).focus();
  });
})();
