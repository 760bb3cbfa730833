// Measures a page of a report from outside of it, which has no script of its own: whether all of it can be seen, and
// whether a click on a column's name changes the order of the rows.
"use strict";

/** What is wider than the window and does not scroll by itself, and text that ends outside of its picture. */
function cutOff(page) {
  const wide = page.documentElement.clientWidth;
  const found = [];
  for (const element of page.body.querySelectorAll("*")) {
    if (element.closest(".scroll, pre, svg")) continue;
    const box = element.getBoundingClientRect();
    if (box.width > 0 && (box.right > wide + 1 || box.left < -1)) found.push(`${element.tagName} ${box.right}`);
  }
  for (const text of page.querySelectorAll("svg text")) {
    const [box, all] = [text, text.ownerSVGElement].map((element) => element.getBoundingClientRect());
    if (box.width > 0 && (box.right > all.right + 1 || box.left < all.left - 1 || box.bottom > all.bottom + 1)) {
      found.push(`text ${text.textContent}`);
    }
  }
  for (const element of page.querySelectorAll("td, th, dd, dt, h1, h2, h3, figcaption, .value")) {
    if (element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0) {
      found.push(`${element.tagName} ${element.textContent}`);
    }
  }
  return found;
}

/** The first cells of a table's rows, from top to bottom. */
function order(table) {
  const rows = [...table.querySelectorAll("tbody tr")];
  const top = (row) => row.getBoundingClientRect().top;
  return rows.sort((a, b) => top(a) - top(b)).map((row) => row.cells[0].textContent);
}

/** Whether every cell begins below the name of its column, and is as wide. */
function isAligned(table) {
  const names = [...table.querySelectorAll("th")].map((name) => name.getBoundingClientRect());
  return [...table.querySelectorAll("tbody tr")].every((row) =>
    [...row.cells].every((cell, column) => {
      const box = cell.getBoundingClientRect();
      return Math.abs(box.left - names[column].left) < 1 && Math.abs(box.right - names[column].right) < 1;
    }));
}

/** Each order of a table that clicks on the names of its columns come to. */
function sorted(table) {
  const orders = { written: order(table) };
  [...table.querySelectorAll("th")].forEach((name, column) => {
    for (const way of ["up", "down", "written"]) {
      const shown = [...name.querySelectorAll("label")].filter((label) => label.getBoundingClientRect().width > 0);
      if (shown.length === 0) return;
      // What the pointer meets in the middle of the name.
      name.scrollIntoView({ block: "center" });
      const box = name.getBoundingClientRect();
      const met = table.ownerDocument.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
      (met && met.tagName === "LABEL" ? met : shown[0]).click();
      orders[`${name.textContent} ${way}`] = order(table);
      orders.aligned = (orders.aligned ?? true) && isAligned(table) && shown.length === 1;
    }
  });
  return orders;
}

/**
 * Each order that the arrow keys come to, and whether its column is in view then: buttons of one name are one group, in
 * the order of the page.
 */
function buttons(table) {
  const all = [...table.closest(".sort").querySelectorAll("input")];
  return all.map((button) => {
    button.checked = true;
    button.focus();
    const [box, seen] = [button.closest("th"), table.closest(".sort")].map((element) => element.getBoundingClientRect());
    return [button.getAttribute("aria-label"), order(table), box.left > seen.left - 1 && box.right < seen.right + 1];
  });
}

window.addEventListener("load", () => {
  const results = {};
  for (const frame of document.querySelectorAll("iframe")) {
    const page = frame.contentDocument;
    const tables = [...page.querySelectorAll(".sort table")];
    results[frame.width] = {
      window: page.documentElement.clientWidth,
      page: page.documentElement.scrollWidth,
      cut: cutOff(page),
      sorted: Object.fromEntries(tables.map((table) => [table.closest("section").id, sorted(table)])),
      cutWhenSorted: cutOff(page),
      buttons: Object.fromEntries(tables.map((table) => [table.closest("section").id, buttons(table)])),
    };
  }
  document.querySelector("pre").textContent = JSON.stringify(results);
});
