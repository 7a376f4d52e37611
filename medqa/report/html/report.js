// Filters, search, order and keyboard of the list of questions.
"use strict";
(() => {
  const one = (id) => document.getElementById(id);
  const list = one("list");
  const controls = one("controls");
  const all = [...list.querySelectorAll(".question")];
  const facts = new Map(all.map((item) => [item, {
    gains: item.dataset.gains.split(" ").map(parseFloat),
    flags: item.dataset.flags.split(";"),
    text: null, // read at the first search
  }]));

  const textOf = (item) => {
    const own = facts.get(item);
    if (own.text === null) {
      const parts = item.querySelectorAll(".asked, .text");
      own.text = [...parts].map((part) => part.textContent).join("\n").toLowerCase();
    }
    return own.text;
  };
  const shown = () => [...list.children].filter((item) => !item.hidden);

  function filter() {
    const words = one("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const specialty = one("specialty").value;
    const flags = [...controls.querySelectorAll("[name=flag]:checked")].map((box) => box.value);
    let count = 0;
    for (const item of all) {
      const fits = (!specialty || item.dataset.specialty === specialty)
        && (!flags.length || flags.some((flag) => facts.get(item).flags.includes(flag)))
        && words.every((word) => textOf(item).includes(word));
      item.hidden = !fits;
      count += fits;
    }
    one("shown").textContent = count === all.length ? `${count} questions` : `${count} of ${all.length} questions`;
    one("none").hidden = count > 0;
  }

  function sort() {
    const order = one("order").value;
    const metric = Number(one("metric").value);
    for (const item of all) {
      const value = item.querySelectorAll(".metrics dd")[metric];
      const name = metric ? `${item.querySelectorAll(".metrics dt")[metric].textContent} ` : "";
      item.querySelector(".score").replaceChildren(name, ...[...value.childNodes].map((node) => node.cloneNode(true)));
    }
    const sign = order === "loss" ? 1 : -1;
    // A question without the metric comes last either way.
    const key = (item) => {
      const gain = facts.get(item).gains[metric];
      return Number.isNaN(gain) ? Infinity : sign * gain;
    };
    const sorted = order === "holdout" ? all : [...all].sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0));
    list.append(...sorted);
  }

  function mark() {
    list.dataset.marks = one("marks").value;
  }

  let moved = null; // the question that j or k opened, closed again by the next step
  function go(step) {
    const items = shown();
    if (!items.length) return;
    const here = items.indexOf(document.activeElement.closest(".question") || moved);
    const next = here < 0 ? (step > 0 ? 0 : items.length - 1) : here + step;
    if (next < 0 || next >= items.length) return;
    if (moved) moved.open = false;
    moved = items[next];
    reveal(moved);
  }

  function reveal(item) {
    item.hidden = false;
    item.open = true;
    item.querySelector("summary").focus({ preventScroll: true });
    item.scrollIntoView({ block: "start" });
  }

  const openAll = (open) => shown().forEach((item) => { item.open = open; });
  const keys = {
    j: () => go(1),
    k: () => go(-1),
    o: () => openAll(shown().some((item) => !item.open)),
    m: () => { one("marks").selectedIndex = (one("marks").selectedIndex + 1) % one("marks").length; mark(); },
    r: () => controls.reset(),
    "/": () => one("search").focus(),
    "?": () => one("reading").scrollIntoView(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && controls.contains(document.activeElement)) {
      document.activeElement.blur();
      return;
    }
    if (event.target.closest?.("input, select, textarea") || !Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  });

  controls.addEventListener("submit", (event) => event.preventDefault());
  controls.addEventListener("input", (event) => {
    if (event.target === one("marks")) mark();
    else if (event.target === one("order") || event.target === one("metric")) sort();
    else filter();
  });
  controls.addEventListener("reset", () => setTimeout(() => { filter(); sort(); mark(); }));
  one("open").addEventListener("click", () => openAll(true));
  one("close").addEventListener("click", () => openAll(false));
  for (const link of document.querySelectorAll(".plot [data-specialty]")) {
    link.addEventListener("click", () => {
      one("specialty").value = link.dataset.specialty;
      filter();
    });
  }
  const follow = () => {
    const item = all.find((question) => `#${question.id}` === location.hash);
    if (item) reveal(item);
  };
  window.addEventListener("hashchange", follow);
  filter();
  sort();
  mark();
  follow();
})();
