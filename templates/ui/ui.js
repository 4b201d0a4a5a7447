"use strict";
// A bar that moves, a place to drop files, a button that copies. Without it the pages do the same, less smoothly.
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

async function follow(box) {
  const said = box.querySelector("[role=status]");
  const bar = box.querySelector("progress");
  const words = box.querySelector(".words");
  const wasRunning = box.dataset.running === "true";
  for (let tenth = -1; ; await sleep(wasRunning ? 400 : 2000)) {
    let state;
    try {
      state = await (await fetch(box.dataset.progress)).json();
    } catch {
      if (words) words.textContent = "The pages cannot be reached: is mm ui still running? What it started goes on.";
      continue;
    }
    if (state.is_running !== wasRunning) return location.reload();
    if (!wasRunning || !state.total) continue;
    bar.max = state.total;
    bar.value = state.done;
    words.textContent = `${state.done} of ${state.total}: ${state.words}`;
    // A screen reader is told each tenth, not each step.
    const now = Math.floor((10 * state.done) / state.total);
    if (now > tenth) said.textContent = `${state.done} of ${state.total}`;
    tenth = Math.max(now, tenth);
  }
}

async function put(form, files) {
  const said = form.querySelector("[role=status]");
  const largest = Number(form.dataset.largest);
  let page = null;
  const results = [];
  const send = async (some) => {
    const body = new FormData();
    body.append("token", form.elements.token.value);
    for (const file of some) body.append("files", file);
    const answer = await fetch(form.action, { method: "POST", body });
    const next = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (answer.ok) page = next;
    results.push(...next.querySelectorAll(answer.ok ? "#put li" : "#says"));
  };
  let some = [], size = 0, done = 0;
  try {
    for (const file of files) {
      if (file.size > largest) {
        const line = document.createElement("li");
        line.textContent = `${file.name}: it is larger than ${largest >> 20} MB. Copy it into the folder yourself.`;
        results.push(line);
        continue;
      }
      if (some.length && (some.length === 50 || size + file.size > largest / 4)) {
        await send(some);
        [some, size] = [[], 0];
      }
      some.push(file);
      size += file.size;
      said.textContent = `${++done} of ${files.length} files`;
    }
    if (some.length) await send(some);
    said.textContent = `${files.length} files were looked at.`;
  } catch {
    said.textContent = "An upload was cut off: what is not listed is not in the folder. Drop those files again.";
  }
  if (page) for (const id of ["put", "fetch", "files"]) document.getElementById(id).replaceWith(page.getElementById(id));
  document.querySelector("#put ul").replaceChildren(...results);
  document.getElementById("put").hidden = !results.length;
}

for (const box of document.querySelectorAll("[data-progress]")) follow(box);
for (const form of document.querySelectorAll("form.drop")) {
  const input = form.querySelector("input[type=file]");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    put(form, input.files);
  });
  for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
    document.addEventListener(name, (event) => {
      event.preventDefault();
      form.classList.toggle("over", name === "dragenter" || name === "dragover");
      if (name === "drop") put(form, event.dataTransfer.files);
    });
  }
}
for (const button of document.querySelectorAll("button[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "Copied";
  });
}
