/* Single keys on the quality workbench. They only move the focus or follow a link; nothing is written
   without Enter on a button. The page leaves this script out where single keys are switched off.

   [data-key="a"]  gets the focus, a link is followed, when its key is pressed outside of a field
   j and k         move down and up the rows of #rows, x ticks the row, X all rows or none, / goes to
                   the search
   ?               opens the list of keys */
(() => {
  "use strict";
  const find = (selector, from = document) => from.querySelector(selector);
  const rows = () => [...document.querySelectorAll("#rows tbody tr")];
  const here = () => document.activeElement?.closest("#rows tbody tr");

  const move = (by) => {
    const all = rows();
    const now = all.indexOf(here());
    const next = all[Math.min(Math.max(now < 0 ? 0 : now + by, 0), all.length - 1)];
    next && find("a", next)?.focus();
  };

  const act = {
    j: () => move(1),
    k: () => move(-1),
    x: () => { const row = here(); row && find("input[type=checkbox]", row)?.click(); },
    X: () => find("[data-ticks]")?.click(),
    "/": () => find(".filters input[type=search]")?.focus(),
    "?": () => {
      const help = find("#keys-help");
      if (!help) return;
      help.open = true;
      find("summary", help).focus();
    },
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat && !"jk".includes(event.key)) return;
    const typing = event.target.closest?.("textarea, select, input:not([type=checkbox]), [contenteditable]");
    if (typing || find("dialog[open]")) return;
    const target = [...document.querySelectorAll("[data-key]")].find((one) => one.dataset.key === event.key);
    const does = target ? () => (target.matches("a") ? target.click() : target.focus()) : act[event.key];
    if (!does) return;
    event.preventDefault();
    does();
  });
})();
