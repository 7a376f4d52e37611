// Keeps a reviewer's marks in this browser, saves them to a file and loads one again.
"use strict";
(() => {
  const KIND = "medical answer review";
  const FIELDS = ["choice", "harm_A", "harm_B", "correct_A", "correct_B", "omission_A", "omission_B"];
  const LISTS = ["wrong_A", "wrong_B"]; // numbers of wrong sentences, or "none"
  const one = (id) => document.getElementById(id);
  const sheet = document.body.dataset.sheet;
  const place = `review-${sheet}`;
  const items = [...document.querySelectorAll(".item")];
  const sample = items.slice(0, Number(document.body.dataset.sample));
  let ratings = {};
  let saved = true;

  const tell = (text) => { one("message").textContent = text; };
  const field = (name, what) => document.getElementsByName(`${name}-${what}`);

  function content() {
    return { kind: KIND, version: 2, sheet, reviewer: one("reviewer").value.trim(), ratings };
  }

  function keep() {
    saved = false;
    try {
      localStorage.setItem(place, JSON.stringify(content()));
    } catch {
      one("kept").textContent = "This browser keeps nothing: save a file before you close this page.";
    }
  }

  // Files of version 1 have harm as true or false.
  function upgraded(marks) {
    const own = { ...marks };
    for (const side of ["A", "B"]) {
      const old = own[`harmful_${side}`];
      if (typeof old === "boolean") own[`harm_${side}`] ??= old ? "unspecified" : "none";
    }
    return own;
  }

  function read(item) {
    const own = {};
    for (const what of FIELDS) {
      const chosen = [...field(item.id, what)].find((button) => button.checked);
      if (chosen) own[what] = chosen.value;
    }
    for (const what of LISTS) {
      const chosen = [...field(item.id, what)].filter((box) => box.checked).map((box) => box.value);
      if (chosen.length) own[what] = chosen;
    }
    const note = field(item.id, "note")[0].value.trim();
    if (note) own.note = note;
    if (Object.keys(own).length) ratings[item.id] = own;
    else delete ratings[item.id];
  }

  function write(item) {
    const own = ratings[item.id] || {};
    for (const what of FIELDS) {
      for (const button of field(item.id, what)) button.checked = button.value === own[what];
    }
    for (const what of LISTS) {
      for (const box of field(item.id, what)) box.checked = Array.isArray(own[what]) && own[what].includes(box.value);
    }
    field(item.id, "note")[0].value = own.note || "";
  }

  function progress() {
    const inSample = sample.filter(isRated).length;
    const more = items.filter(isRated).length - inSample;
    one("progress").textContent = `${inSample} of ${sample.length} rated${more ? `, and ${more} more` : ""}`;
  }

  const isRated = (item) => Boolean(ratings[item.id]?.choice);

  function hide() {
    const specialty = one("specialty").value;
    for (const item of items) {
      item.hidden = (one("unmarked").checked && isRated(item)) || Boolean(specialty && item.dataset.specialty !== specialty);
    }
  }

  // Takes over what a file or this browser holds; an error says why it does not fit.
  function take(text) {
    const found = JSON.parse(text);
    if (found?.kind !== KIND || typeof found.ratings !== "object" || !found.ratings) throw new Error("it is no review file");
    if (found.sheet !== sheet) throw new Error("it belongs to another sheet");
    ratings = {};
    for (const item of items) {
      if (Object.hasOwn(found.ratings, item.id)) ratings[item.id] = upgraded(found.ratings[item.id]);
      write(item);
      read(item);
    }
    one("reviewer").value = typeof found.reviewer === "string" ? found.reviewer : "";
    progress();
    hide();
  }

  async function load(file) {
    const had = Object.keys(ratings).length;
    if (had && !confirm(`Replace the ${had} marked questions on this page by those of the file?`)) return;
    try {
      take(await file.text());
      keep();
      tell(`Loaded ${file.name}.`);
    } catch (error) {
      tell(`${file.name} was not loaded: ${error instanceof SyntaxError ? "it is no review file" : error.message}.`);
    }
  }

  function save() {
    const url = URL.createObjectURL(new Blob([JSON.stringify(content(), null, 2)], { type: "application/json" }));
    const name = one("reviewer").value.trim().replace(/[^\p{L}\p{N}]+/gu, "_");
    const link = Object.assign(document.createElement("a"), { href: url, download: `review_${name || sheet}.json` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
    saved = true;
    tell(`Saved as ${link.download}.`);
  }

  let current = null;
  function select(item) {
    current?.classList.remove("current");
    current = item;
    current.classList.add("current");
  }
  function go(step) {
    const shown = items.filter((item) => !item.hidden || item === current);
    const here = shown.indexOf(current);
    let next = shown[here + step];
    if (step > 0) { // the next one that is not rated, else the first such, else the next
      const open = (item) => item !== current && !isRated(item);
      next = shown.slice(here + 1).find(open) || shown.find(open) || next;
    }
    if (!next) return;
    select(next);
    next.scrollIntoView({ block: "start" });
    next.focus({ preventScroll: true });
  }
  function set(what, value) {
    if (!current) go(1);
    if (!current) return;
    const buttons = [...field(current.id, what)];
    // Without a value the mark moves on, from the second: mild, moderate, severe, unclear, no.
    const place = value === undefined ? (buttons.findIndex((button) => button.checked) + 1 || 1) % buttons.length
      : buttons.findIndex((button) => button.value === value);
    buttons[place].checked = true;
    changed(current);
  }
  const keys = {
    j: () => go(1),
    k: () => go(-1),
    1: () => set("choice", "A"),
    2: () => set("choice", "equal"),
    3: () => set("choice", "B"),
    4: () => set("choice", "both_wrong"),
    5: () => set("choice", "cannot_judge"),
    a: () => set("harm_A"),
    b: () => set("harm_B"),
    c: () => set("correct_A"),
    d: () => set("correct_B"),
    o: () => set("omission_A"),
    p: () => set("omission_B"),
    n: () => { if (current) field(current.id, "note")[0].focus(); },
  };

  function changed(item) {
    read(item);
    progress();
    keep();
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") {
      document.activeElement.blur();
      return;
    }
    if (event.target.closest?.("textarea, select, #reviewer") || !Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  });
  for (const item of items) {
    item.addEventListener("input", (event) => {
      const { name, value, checked } = event.target;
      if (checked && LISTS.some((what) => name === `${item.id}-${what}`)) { // "none" excludes the sentences
        for (const box of document.getElementsByName(name)) if ((box.value === "none") !== (value === "none")) box.checked = false;
      }
      changed(item);
    });
    item.querySelector(".clear").addEventListener("click", () => { delete ratings[item.id]; write(item); changed(item); });
    item.addEventListener("focusin", () => { if (current !== item) select(item); });
  }
  one("reviewer").addEventListener("input", keep);
  for (const id of ["unmarked", "specialty"]) one(id).addEventListener("input", hide);
  one("save").addEventListener("click", save);
  one("load").addEventListener("click", () => one("file").click());
  one("file").addEventListener("change", () => {
    if (one("file").files.length) load(one("file").files[0]);
    one("file").value = "";
  });
  window.addEventListener("beforeunload", (event) => {
    if (!saved && Object.keys(ratings).length) event.preventDefault();
  });

  try {
    const kept = localStorage.getItem(place);
    if (kept) take(kept);
  } catch {
    one("kept").textContent = "This browser keeps nothing: save a file before you close this page.";
  }
  for (const item of items) read(item); // what the browser has put back into the form by itself
  progress();
})();
