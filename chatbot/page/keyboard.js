// Keys that lead to the parts of the page, with a sheet that lists them. They rest while something is being typed, and
// can be switched off there (WCAG 2.1, 2.1.4).
function listenToKeys(sheet) {
  const off = "askmynotes-keys-off";
  const typing = (node) => node.matches("input, textarea, select, [contenteditable=true]");
  const focus = (selector) => {
    // what is folded away at the side has a place as well, out of sight
    const inSight = (each) => each.offsetParent && each.getBoundingClientRect().right > 0;
    const node = [...document.querySelectorAll(selector)].find(inSight);
    if (node) node.focus();
    return node;
  };
  const press = (selector) => { const node = document.querySelector(selector); if (node) node.click(); };
  const tabs = () => document.querySelectorAll("#tabs > .tab-wrapper [role=tab]");
  const goTo = (number) => { if (tabs()[number]) tabs()[number].click(); };
  const ask = () => { goTo(0); setTimeout(() => focus("#question textarea"), 100); };
  const actions = {
    "/": ask,
    n: () => { press("#new"); ask(); },
    c: () => {
      goTo(0);
      if (focus("#listing button")) return;
      press("#conversations .toggle-button");
      setTimeout(() => focus("#listing button"), 400);
    },
    s: () => focus("#sources summary"),
    "?": () => dialog().showModal(),
  };
  for (const number of [1, 2, 3, 4]) actions[number] = () => goTo(number - 1);

  function dialog() {
    const known = document.getElementById("keys");
    if (known) return known;
    const made = Object.assign(document.createElement("dialog"), { id: "keys", innerHTML: sheet });
    made.setAttribute("aria-labelledby", "keys-title");
    const box = made.querySelector("input");
    box.checked = !localStorage.getItem(off);
    box.addEventListener("change", () => (box.checked ? localStorage.removeItem(off) : localStorage.setItem(off, "1")));
    made.querySelector("button").addEventListener("click", () => made.close());
    return document.body.appendChild(made);
  }

  document.addEventListener("click", (event) => {
    if (event.target.closest("#show-keys")) dialog().showModal();
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    if (event.key === "Escape") {
      const stop = document.querySelector("#question .stop-button");
      if (stop) stop.click();
      else if (typing(event.target)) event.target.blur();
      return;
    }
    const act = !typing(event.target) && !localStorage.getItem(off) && actions[event.key];
    if (act && !document.querySelector("dialog[open]")) { event.preventDefault(); act(); }
  });
}
