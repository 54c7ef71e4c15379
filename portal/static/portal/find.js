/* The dialog that leads to any place by its name. Ctrl K or the link in the head opens it; arrows
   move through what was found, Enter goes to the first. Without this script the link leads to a
   page that does the same. */
(() => {
  "use strict";
  const finder = document.getElementById("finder");
  const link = document.querySelector("[data-find]");
  if (!finder || !link) return;
  const field = finder.querySelector("input");
  const links = () => [...finder.querySelectorAll(".found a")];

  const open = () => {
    if (finder.open || document.querySelector("dialog[open]")) return;
    finder.showModal();
    field.select();
    // What there is to go to before anything is typed.
    if (!links().length) field.dispatchEvent(new CustomEvent("load-found"));
  };

  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    open();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    open();
  });
  finder.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1, Escape: 0 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    // A search field would only empty itself.
    if (!step) return finder.close();
    const all = [field, ...links()];
    const next = all.indexOf(document.activeElement) + step;
    all[Math.min(Math.max(next, 0), all.length - 1)].focus();
  });
  finder.querySelector("form").addEventListener("submit", (event) => {
    const [first] = links();
    // While an answer is awaited the page of results is surer than what stands there still.
    if (!first || finder.querySelector("[aria-busy]") || field.value !== field.dataset.asked) return;
    event.preventDefault();
    first.click();
  });
  document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
    if (ctx.target?.id === "found") field.dataset.asked = new URL(ctx.request.action, location.href).searchParams.get("q") ?? "";
  });
})();
