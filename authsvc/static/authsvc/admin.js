"use strict";
// Everything here only makes pages quicker; every page works without it. No library, no inline script, no other host.

const each = (selector, act, root = document) => root.querySelectorAll(selector).forEach(act);

// A button with data-copy="id" copies that element's text and says so.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
  button.textContent = button.dataset.done;
});

// What is shown once is gone when the page is left, also from the browser's memory of pages.
window.addEventListener("pagehide", () => {
  each(".shown-once [data-secret]", (node) => (node.tagName === "INPUT" ? (node.value = "") : (node.textContent = "")));
});
window.addEventListener("pageshow", (event) => {
  if (event.persisted && document.querySelector(".shown-once")) window.location.replace(window.location.href);
});

// Ctrl-K (or Cmd-K) goes to the search.
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    const search = document.getElementById("house-search");
    if (search) { event.preventDefault(); search.focus(); search.select(); }
  }
});

// A field with data-filter="id" hides the items of that list which do not hold its words; Enter ticks the first one left.
each("[data-filter]", (field) => {
  const items = [...document.getElementById(field.dataset.filter).querySelectorAll("[data-words]")];
  const matches = (item) => field.value.toLowerCase().split(/\s+/).every((word) => item.dataset.words.includes(word));
  field.addEventListener("input", () => items.forEach((item) => { item.hidden = !matches(item); }));
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    const first = field.value && items.find((item) => !item.hidden);
    if (first) { first.querySelector("input").click(); field.value = ""; field.dispatchEvent(new Event("input")); }
  });
  field.closest("[hidden]")?.removeAttribute("hidden");
});

// Chips show what is ticked, and untick it.
each("[data-chips]", (box) => {
  const list = document.getElementById(box.dataset.chips);
  const draw = () => {
    box.replaceChildren(...[...list.querySelectorAll("input:checked")].map((input) => {
      const chip = document.createElement("button");
      chip.type = "button"; chip.className = "chip"; chip.textContent = `${input.value} remove`;
      chip.addEventListener("click", () => input.click());
      return chip;
    }));
  };
  list.addEventListener("change", draw);
  draw();
});

// A form with data-live="id" asks its own address for a preview after each change, and shows it in that element.
each("form[data-live]", (form) => {
  let timer = 0, turn = 0;
  const ask = async () => {
    const mine = ++turn;
    const body = new FormData(form);
    body.append("preview", "1");
    const answer = await fetch(form.action, { method: "POST", body, credentials: "same-origin" });
    if (!answer.ok || mine !== turn) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(form.dataset.live);
    if (fresh) document.getElementById(form.dataset.live).replaceChildren(...fresh.childNodes);
  };
  form.addEventListener("change", (event) => {
    if (event.target.name === "confirmed" || event.target.dataset.filter) return;
    clearTimeout(timer);
    timer = setTimeout(ask, 150);
  });
  form.addEventListener("input", (event) => {
    if (event.target.type !== "password") return;
    clearTimeout(timer);
    timer = setTimeout(ask, 400);
  });
});

// A form with data-into="id" shows the part of its answer there instead of leaving the page.
document.addEventListener("submit", async (event) => {
  const form = event.target.closest("form[data-into]");
  if (!form) return;
  event.preventDefault();
  const body = new FormData(form, event.submitter);
  const answer = await fetch(form.action, { method: "POST", body, credentials: "same-origin" });
  const found = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(form.dataset.into);
  const place = document.getElementById(form.dataset.into);
  place.replaceChildren(...(found ? found.childNodes : [document.createTextNode("No answer.")]));
});

// The button of a form with data-code stays off until that field holds eight letters; the service checks the code itself.
each("form[data-code]", (form) => {
  const field = form.elements[form.dataset.code];
  const button = form.querySelector("[type=submit]");
  const check = () => { button.disabled = field.value.replace(/[^0-9a-z]/gi, "").length < 8; };
  field.addEventListener("input", check);
  check();
});

// The items of a list with data-order="name" can be dragged; dropping one sends the whole order with its form.
each("[data-order]", (list) => {
  let held = null;
  list.querySelectorAll("[data-key]").forEach((item) => { item.draggable = true; });
  list.addEventListener("dragstart", (event) => {
    held = event.target.closest("[data-key]");
    held.classList.add("dragged");
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", held.dataset.key);
  });
  list.addEventListener("dragover", (event) => {
    const over = event.target.closest("[data-key]");
    if (!held || !over) return;
    event.preventDefault();
    const box = over.getBoundingClientRect();
    if (over !== held) list.insertBefore(held, event.clientY > box.top + box.height / 2 ? over.nextSibling : over);
  });
  list.addEventListener("drop", (event) => {
    event.preventDefault();
    const form = list.closest("form");
    list.querySelectorAll("[data-key]").forEach((item) => {
      const field = document.createElement("input");
      field.type = "hidden"; field.name = list.dataset.order; field.value = item.dataset.key;
      form.append(field);
    });
    form.submit();
  });
  list.addEventListener("dragend", () => { held?.classList.remove("dragged"); held = null; });
});
