// Listeners on the document: they outlive every redraw of the page. COPIED is said by layout.py.

// What is to be brought into view as soon as it is drawn: the passage of a citation, the cited words in a whole note.
let wanted = "";

function bring() {
  const found = wanted && document.getElementById(wanted);
  if (!found) return;
  wanted = "";
  document.querySelectorAll("#sources article.shown").forEach((other) => other.classList.remove("shown"));
  found.classList.add("shown");
  const panel = document.getElementById("sources");
  const mark = found.querySelector("mark, .cited") || found;
  const target = found.offsetHeight > panel.clientHeight ? mark : found;
  if (panel.scrollHeight > panel.clientHeight) {
    const top = target.getBoundingClientRect().top - panel.getBoundingClientRect().top + panel.scrollTop;
    panel.scrollTo({ top: top - 8, behavior: "smooth" });
  } else {
    target.scrollIntoView({ behavior: "smooth", block: "start" });
  }
  found.focus({ preventScroll: true });
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {  // not over plain HTTP from another machine
    const field = document.body.appendChild(document.createElement("textarea"));
    field.value = text;
    field.select();
    document.execCommand("copy");
    field.remove();
  }
}

// Gradio would copy the HTML of a message; people want its words.
function copyMessage(event) {
  const button = event.target.closest("#conversation button[aria-label='Copy message']");
  if (!button) return;
  event.stopPropagation();
  const message = button.closest("[class*='message-buttons']").previousElementSibling;
  const said = (message.querySelector(".answer") || message.querySelector(".prose")).children;
  const words = (child) => (child.querySelector("pre") || child).innerText;
  copy([...said].filter((child) => !child.matches(".foot, .edit")).map(words).join("\n"));
}

document.addEventListener("click", (event) => {
  copyMessage(event);
  const clicked = event.target.closest("a.cite, button.show, button.copy-code, #sources [data-do]");
  if (!clicked) return;
  if (clicked.matches("a.cite")) {
    event.preventDefault();
    wanted = clicked.getAttribute("href").split("#").pop();
    bring();
  } else if (clicked.matches("button.show")) {
    wanted = "evidence";
  } else if (clicked.matches("button.copy-code")) {
    copy(clicked.parentElement.querySelector("code").textContent);
    const words = clicked.textContent;
    if (words !== COPIED) setTimeout(() => { clicked.textContent = words; }, 1500);
    clicked.textContent = COPIED;
  } else {
    wanted = clicked.dataset.do === "expand" ? "cited" : `passage-${clicked.dataset.value}`;
  }
}, true);

new MutationObserver(bring).observe(document, { childList: true, subtree: true });
