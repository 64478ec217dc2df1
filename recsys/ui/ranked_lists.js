// Two ranked lists as tables, with lines between the items that stand in both.
// Everything from the data goes in as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function table(list, onChoose) {
  const section = element("section", `list ${list.side}`);
  const title = element("h3", "title", list.title);
  title.tabIndex = -1;
  title.append(element("span", "hint", list.hint));
  section.append(title);
  if (!list.rows.length) {
    section.append(element("p", "empty", list.empty));
    return section;
  }
  const grid = element("table");
  grid.setAttribute("aria-label", `${list.title}: ${list.nearest}, best first`);
  const head = grid.createTHead().insertRow();
  for (const column of list.columns) {
    const cell = element("th", column.key, column.label);
    cell.scope = "col";
    cell.title = column.help;
    head.append(cell);
  }
  const body = grid.createTBody();
  for (const row of list.rows) {
    const line = body.insertRow();
    line.className = row.shared ? "shared" : "unique";
    for (const column of list.columns) {
      const cell = line.insertCell();
      cell.className = column.key;
      if (column.key === "name") {
        const button = element("button", "", row.name);
        button.type = "button";
        button.title = `${row.name}: ${list.click}`;
        button.onclick = () => onChoose(row.item_id);
        // Shown instead of the column where the page is narrow.
        cell.append(button, element("span", "where-below", row.where));
      } else {
        cell.textContent = row[column.key];
        if (row[`${column.key}_help`]) cell.title = row[`${column.key}_help`];
      }
    }
  }
  section.append(grid);
  return section;
}

function slopes(pairs, length) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "slopes");
  svg.setAttribute("viewBox", `0 0 100 ${Math.max(length, 1)}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.style.setProperty("--length", length);
  svg.setAttribute("aria-hidden", "true");
  for (const [left, right] of pairs) {
    const path = document.createElementNS(SVG, "path");
    const from = left - 0.5;
    const to = right - 0.5;
    path.setAttribute("d", `M0 ${from} C 45 ${from}, 55 ${to}, 100 ${to}`);
    path.setAttribute("vector-effect", "non-scaling-stroke");
    svg.append(path);
  }
  return svg;
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".lists");
  const choose = (itemId) => {
    root.dataset.chosen = itemId;
    setTriggerValue("chosen", itemId);
  };
  const [left, right] = data.lists;
  root.replaceChildren(table(left, choose), slopes(data.pairs, data.length), table(right, choose));
  if (root.dataset.chosen === data.item) {
    // The lists now belong to the item that was clicked: show whose they are, and go on by keyboard from there.
    delete root.dataset.chosen;
    root.getRootNode().host?.closest("[data-testid=stMain]")?.scrollTo({ top: 0 });
    root.querySelector(".title").focus({ preventScroll: true });
  }
}
