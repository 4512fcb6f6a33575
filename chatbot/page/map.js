// The points of the map are one stop of the Tab key; the arrow keys go from one to the next, Enter chooses one. What is
// under the pointer or has the focus is named below the map.
const steps = {
  ArrowRight: "nextElementSibling", ArrowDown: "nextElementSibling",
  ArrowLeft: "previousElementSibling", ArrowUp: "previousElementSibling",
};

const name = (event) => {
  const point = event.target.closest("circle");
  if (point) element.querySelector(".pointed").textContent = point.getAttribute("aria-label");
};

element.addEventListener("mouseover", name);
element.addEventListener("focusin", name);
element.addEventListener("keydown", (event) => {
  const point = event.target.closest("circle");
  if (!point || !(event.key in steps || event.key === "Enter" || event.key === " ")) return;
  event.preventDefault();
  if (!(event.key in steps)) return point.dispatchEvent(new Event("click", { bubbles: true }));
  const next = point[steps[event.key]];
  if (!next || next.tagName !== "circle") return;
  point.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
});
