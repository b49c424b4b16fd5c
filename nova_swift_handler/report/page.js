"use strict";
(() => {
  const list = document.getElementById("list");
  const rows = [...list.querySelectorAll(":scope > li[data-v]")];
  const search = document.getElementById("search");
  const only = document.getElementById("only");
  const shown = document.getElementById("shown");
  const heads = [...document.querySelectorAll("#sort > [data-key]")];
  const plural = (count) => `${count} volume${count === 1 ? "" : "s"}`;
  let texts = null;

  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    // Read once, when first needed: names and ids of all points are in it.
    if (words.length && !texts) {
      texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
    }
    let count = 0;
    for (const row of rows) {
      const found = words.every((word) => texts.get(row).includes(word)) &&
        (!only.value || row.dataset.f.split(" ").includes(only.value));
      row.hidden = !found;
      count += found;
    }
    shown.textContent = count === rows.length
      ? plural(count) : `${count} of ${plural(rows.length)}`;
    if (count === 1 && words.length) {
      rows.find((row) => !row.hidden).firstElementChild.open = true;
    }
  };

  // Rows are written by name, so their number tells the order of names.
  const values = new Map(rows.map((row) => [row, row.dataset.v.split(" ").map(Number)]));
  const sort = (key, down) => {
    rows.sort((a, b) => (values.get(a)[key] - values.get(b)[key]) * (down ? -1 : 1) ||
      values.get(a)[0] - values.get(b)[0]);
    list.append(...rows);
  };

  for (const head of heads) {
    const key = Number(head.dataset.key);
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => {
      // Sizes are looked through from the largest, names and verifications from the first.
      const before = head.dataset.sorted;
      const down = before ? before === "up" : key > 0 && key < 6;
      for (const each of heads) {
        delete each.dataset.sorted;
        each.firstChild.setAttribute("aria-pressed", "false");
      }
      head.dataset.sorted = down ? "down" : "up";
      button.setAttribute("aria-pressed", "true");
      sort(key, down);
    });
    button.setAttribute("aria-pressed", String("sorted" in head.dataset));
    head.replaceChildren(button);
  }

  let timer = 0;
  search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(filter, 80);
  });
  only.addEventListener("change", filter);
  const all = (open) => {
    for (const row of rows) {
      if (!row.hidden) row.firstElementChild.open = open;
    }
  };
  document.getElementById("open").addEventListener("click", () => all(true));
  document.getElementById("close").addEventListener("click", () => all(false));
  document.getElementById("tools").hidden = false;

  const go = () => {
    const wanted = decodeURIComponent(location.hash.slice(1));
    if (wanted.startsWith("search=")) {
      search.value = wanted.slice(7);
      filter();
      return;
    }
    const target = document.getElementById(wanted);
    const row = target && target.closest("#list > li");
    if (!row) return;
    // What leads to a point finds it, whatever was searched for before.
    if (row.hidden) {
      search.value = only.value = "";
      filter();
    }
    row.firstElementChild.open = true;
    target.scrollIntoView({ block: "center" });
  };
  addEventListener("hashchange", go);
  go();
})();
