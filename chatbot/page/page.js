// A citation brings its passage into view. One listener on the document: it outlives every redraw of the page.
document.addEventListener("click", (event) => {
  const cite = event.target.closest && event.target.closest("a.cite");
  if (!cite) return;
  event.preventDefault();
  const passage = document.getElementById(cite.getAttribute("href").split("#").pop());
  if (!passage) return;
  passage.closest("details").open = true;
  document.querySelectorAll("#sources article.shown").forEach((other) => other.classList.remove("shown"));
  passage.classList.add("shown");
  const panel = document.getElementById("sources");
  if (panel.scrollHeight > panel.clientHeight) {
    const top = passage.getBoundingClientRect().top - panel.getBoundingClientRect().top + panel.scrollTop;
    panel.scrollTo({ top: top - 8, behavior: "smooth" });
  } else {
    passage.scrollIntoView({ behavior: "smooth", block: "start" });
  }
  passage.focus({ preventScroll: true });
}, true);
