// Files that are chosen or dropped go to the server one by one; then the page is told which of them it kept.
const inside = async (entry, folder = "") => {
  if (entry.isFile) return [[folder + entry.name, await new Promise((done, fail) => entry.file(done, fail))]];
  const reader = entry.createReader(), found = [];
  for (;;) {
    const some = await new Promise((done, fail) => reader.readEntries(done, fail));  // so many at a time
    if (!some.length) return found;
    for (const each of some) found.push(...await inside(each, `${folder}${entry.name}/`));
  }
};

// What a file is kept as, or why it is not.
const keep = async (name, file) => {
  const { kinds, largest } = element.querySelector(".drop").dataset;
  if (!kinds.split(",").some((kind) => name.toLowerCase().endsWith(kind))) return { reason: "kind" };
  if (file.size > Number(largest)) return { reason: "size" };
  const address = "api/dropped/" + name.split("/").map(encodeURIComponent).join("/");
  const answer = await fetch(address, { method: "PUT", body: file }).catch(() => null);
  if (answer && answer.ok) return { kept: (await answer.json()).name };
  return { reason: answer && answer.status === 413 ? "size" : "failed" };
};

const send = async (files) => {
  const status = element.querySelector("[role=status]"), kept = [], refused = [];
  const wanted = files.filter(([name]) => !/(^|\/)(\.|node_modules\/)/.test(name));
  for (const [number, [name, file]] of wanted.entries()) {
    status.textContent = `${number + 1} / ${wanted.length}: ${name}`;
    const outcome = await keep(name, file);
    if (outcome.kept) kept.push(outcome.kept);
    else refused.push([name, outcome.reason]);
  }
  status.textContent = "";
  trigger("upload", { kept, refused });
};

element.addEventListener("change", (event) => {
  send([...event.target.files].map((file) => [file.webkitRelativePath || file.name, file]));
  event.target.value = "";
});
element.addEventListener("dragover", (event) => event.preventDefault());
element.addEventListener("drop", async (event) => {
  event.preventDefault();
  // both at once: after the first wait the event holds nothing any more
  const dropped = [...event.dataTransfer.items].filter((item) => item.kind === "file")
    .map((item) => [item.webkitGetAsEntry(), item.getAsFile()]);
  const found = await Promise.all(dropped.map(([entry, file]) => (entry ? inside(entry) : [[file.name, file]])));
  if (found.length) send(found.flat());
});
