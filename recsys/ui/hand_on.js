// Copies the link to this view, and draws both lists as a picture to download.
// Everything from the data goes in as text, never as markup.

const TOLD_FOR = 2000; // ms

// All lengths are in CSS pixels; the picture has DENSITY times as many.
const DENSITY = 2;
const WIDTH = 1160;
const MARGIN = 40;
const INNER = WIDTH - 2 * MARGIN;
const GUTTER = 72;
const LIST = (INNER - GUTTER) / 2;
const ROW = 30;
const GAP = 12;
const BAR = 90;
const DOT = 4.2;
// No column but the names' may take more, however long a model's title is.
const WIDEST_COLUMN = 130;

const TEXT = "#1d1d1b";
const QUIET = "#595959";
const LINE = "#d9d9d9";
const COLOUR = {
  first: "#0072b2", second: "#d55e00", third: "#009e73", fourth: "#cc79a7", fifth: "#e69f00", sixth: "#56b4e9",
  both: "#767676",
};
// The models' colours mixed with the text's, for small words on white.
const WORD_COLOUR = {
  first: "#066194", second: "#b05105", third: "#007856", fourth: "#9b4f78", fifth: "#8f6300", sixth: "#2a6f96",
};
// Corners of the signs of imported models, as in ranked_lists.css, in twelfths of a side; never colour alone.
const SIGN = {
  first: [0, 0, 12, 0, 12, 12, 0, 12], third: [0, 0, 12, 6, 0, 12], fourth: [12, 0, 0, 6, 12, 12],
  fifth: [0, 0, 12, 0, 6, 12], sixth: [6, 0, 12, 6, 6, 12, 0, 6],
};

function tell(root, button, words) {
  const told = button.querySelector(".told");
  const status = root.querySelector(".status");
  told.textContent = status.textContent = words;
  button.classList.add("telling");
  clearTimeout(button.untell);
  button.untell = setTimeout(() => {
    button.classList.remove("telling");
    told.textContent = status.textContent = "";
  }, TOLD_FOR);
}

function copiedByCommand(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.style.cssText = "position: fixed; opacity: 0";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

async function copied(text) {
  try {
    // Browsers offer this in secure contexts alone; where it is absent or refused, the old way may still work.
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copiedByCommand(text);
  }
}

async function copyLink(root, button) {
  const field = root.querySelector(".link");
  const done = await copied(location.href);
  field.hidden = done;
  tell(root, button, done ? "Link copied" : "Copy it here");
  if (done) {
    button.focus(); // which the old way took away
  } else {
    field.value = location.href;
    field.focus();
    field.select();
  }
}

function savePicture(root, button, data) {
  picture(data, fontsOf(root)).toBlob((blob) => {
    if (!blob) {
      tell(root, button, "Picture too large");
      return;
    }
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = data.file;
    link.click();
    // Some browsers begin to read only after this task.
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    tell(root, button, "Picture saved");
  }, "image/png");
}

function fontsOf(root) {
  const style = getComputedStyle(root);
  const [text, heading] = ["--st-font", "--st-heading-font"].map((name) => style.getPropertyValue(name));
  return { text: text || "sans-serif", heading: heading || text || "serif" };
}

function picture(data, fonts) {
  const canvas = document.createElement("canvas");
  const pen = canvas.getContext("2d");
  const sheet = { pen, fonts };
  // Painted twice: how high it gets is known only when all words are broken into lines.
  let height = 1;
  for (let pass = 0; pass < 2; pass += 1) {
    canvas.width = WIDTH * DENSITY;
    canvas.height = height * DENSITY;
    pen.scale(DENSITY, DENSITY);
    pen.direction = "ltr";
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, WIDTH, height);
    height = Math.ceil(paint(sheet, data));
  }
  return canvas;
}

// Returns the height of all that was painted.
function paint(sheet, data) {
  let y = paintHeadline(sheet, data, MARGIN - 6) + 10;
  y = paintBars(sheet, data, y) + 22;
  const widths = columnWidths(sheet, data.lists);
  const ends = data.lists.map((list, at) => paintList(sheet, list, widths, MARGIN + at * (LIST + GUTTER), y));
  paintCurves(sheet, data.pairs, firstRow(y));
  return paintNotes(sheet, data, Math.max(...ends) + 16) + MARGIN - 12;
}

function paintHeadline(sheet, data, y) {
  const heading = { size: 27, weight: 600, family: sheet.fonts.heading };
  const before = { ...heading, text: "Similar to " };
  const name = fitted(sheet, data.name, heading, INNER - widthOf(sheet, before.text, before));
  y = paintLines(sheet, [before, { ...heading, text: name, isolated: true }], y, 38);
  const sentence = headlineRuns(sheet, data, { size: 17.5 });
  return paintLines(sheet, sentence, y + 4, 26, MARGIN, evenWidth(sheet, sentence));
}

function headlineRuns(sheet, data, style) {
  const [, rest] = parted(data.headline, data.name);
  const [before, after] = parted(rest, data.meaning);
  const meaning = rest.slice(before.length, rest.length - after.length);
  return [
    { ...style, text: fitted(sheet, data.name, style, INNER), isolated: true },
    { ...style, text: before },
    { ...style, text: meaning, weight: 600 },
    { ...style, text: after },
  ];
}

// The narrowest width that takes no more lines: they come out about equally long.
function evenWidth(sheet, runs) {
  const least = brokenIntoLines(sheet, runs, INNER).length;
  let width = INNER;
  while (width > INNER / 2 && brokenIntoLines(sheet, runs, width - 10).length === least) width -= 10;
  return width;
}

function paintBars(sheet, data, y) {
  const { pen } = sheet;
  const style = { size: 14 };
  let x = MARGIN;
  const place = (width) => {
    if (x > MARGIN && x + width > WIDTH - MARGIN) {
      x = MARGIN;
      y += 24;
    }
  };
  for (const bar of data.bars) {
    const label = fitted(sheet, bar.label, style, INNER / 2);
    const before = widthOf(sheet, label, style) + 8;
    const after = 8 + widthOf(sheet, bar.words, style);
    place(before + BAR + after);
    put(sheet, label, x, y + 12, { ...style, colour: QUIET });
    pen.fillStyle = LINE;
    pen.fillRect(x + before, y + 8, BAR, 9);
    pen.fillStyle = COLOUR[bar.place];
    pen.fillRect(x + before, y + 8, BAR * bar.share, 9);
    put(sheet, bar.words, x + before + BAR + 8, y + 12, style);
    x += before + BAR + after + 30;
  }
  if (data.rbo) {
    place(widthOf(sheet, data.rbo.label, style));
    put(sheet, data.rbo.label, x, y + 12, { ...style, colour: QUIET });
  }
  return data.bars.length ? y + 24 : y;
}

function firstRow(y) {
  return y + 32 + ROW;
}

function paintList(sheet, list, widths, left, y) {
  const { pen } = sheet;
  pen.fillStyle = COLOUR[list.side];
  const corners = SIGN[list.side];
  if (corners) {
    pen.beginPath();
    for (let at = 0; at < corners.length; at += 2) pen.lineTo(left + corners[at], y + 9 + corners[at + 1]);
    pen.fill();
  } else dot(pen, left + 6, y + 15, 6.5, true);
  const title = { size: 19, weight: 600, family: sheet.fonts.heading };
  const words = fitted(sheet, list.title, title, LIST / 2);
  put(sheet, words, left + 21, y + 15, title);
  put(sheet, list.hint, left + 32 + widthOf(sheet, words, title), y + 15.5, { size: 14, colour: QUIET });
  if (!list.rows.length) {
    return paintLines(sheet, [{ text: list.empty, size: 15 }], y + 38, 22, left, LIST);
  }
  const boxes = columnBoxes(list.columns, widths, left);
  for (const { column, x, width } of boxes) {
    put(sheet, column.label, alongColumn(column, x, width), y + 32 + ROW / 2, {
      size: 13, colour: QUIET, align: alignment(column),
    });
  }
  rule(pen, left, firstRow(y), LIST, TEXT);
  list.rows.forEach((row, at) => paintRow(sheet, list.side, row, boxes, left, firstRow(y) + at * ROW));
  return firstRow(y) + list.rows.length * ROW;
}

function paintRow(sheet, side, row, boxes, left, top) {
  const { pen } = sheet;
  rule(pen, left, top + ROW - 0.5, LIST, LINE);
  pen.fillStyle = COLOUR[row.shared ? "both" : side];
  pen.fillRect(left, top + 0.5, 4, ROW - 1);
  for (const { column, x, width } of boxes) {
    const style = cellStyle(column, row, side);
    const middle = top + ROW / 2;
    const text = row[column.key];
    if (isDots(text)) paintDots(pen, text, x + width, middle);
    else put(sheet, fitted(sheet, text, style, width), alongColumn(column, x, width), middle, style, ROW);
  }
}

function cellStyle(column, row, side) {
  const style = { size: 15, align: alignment(column), isolated: column.key === "name" };
  if (column.key !== "where") return style;
  return row.shared
    ? { ...style, size: 13, colour: QUIET }
    : { ...style, size: 13, weight: 600, colour: WORD_COLOUR[side] };
}

// By column what its widest cell needs in either list; names get what is left.
function columnWidths(sheet, lists) {
  const widths = {};
  for (const list of lists) {
    for (const column of list.columns) {
      const cells = list.rows.map((row) =>
        isDots(row[column.key])
          ? row[column.key].length * DOT * 3
          : widthOf(sheet, row[column.key], cellStyle(column, row, list.side)),
      );
      const needed = Math.max(widths[column.key] ?? 0, widthOf(sheet, column.label, { size: 13 }), ...cells);
      widths[column.key] = Math.min(Math.ceil(needed), WIDEST_COLUMN);
    }
  }
  widths.rank += 9; // beside the coloured edge
  const others = Object.keys(widths).filter((key) => key !== "name");
  widths.name = LIST - others.reduce((sum, key) => sum + widths[key] + GAP, 0);
  return widths;
}

function columnBoxes(columns, widths, left) {
  let x = left;
  return columns.map((column) => {
    const box = { column, x, width: widths[column.key] };
    x += box.width + GAP;
    return box;
  });
}

function alignment(column) {
  return ["name", "where"].includes(column.key) ? "left" : "right";
}

function alongColumn(column, x, width) {
  return alignment(column) === "left" ? x : x + width;
}

function isDots(text) {
  return /^[●○]+$/.test(text);
}

// Drawn, since fonts give these signs very different sizes.
function paintDots(pen, text, right, middle) {
  [...text].reverse().forEach((sign, at) => {
    pen.fillStyle = pen.strokeStyle = TEXT;
    dot(pen, right - DOT - at * DOT * 3, middle, DOT, sign === "●");
  });
}

function dot(pen, x, y, radius, filled) {
  pen.beginPath();
  pen.arc(x, y, filled ? radius : radius - 0.5, 0, 2 * Math.PI);
  pen.lineWidth = 1;
  if (filled) pen.fill();
  else pen.stroke();
}

function paintCurves(sheet, pairs, top) {
  const { pen } = sheet;
  const left = MARGIN + LIST;
  pen.strokeStyle = COLOUR.both;
  pen.lineWidth = 1.6;
  for (const [leftRank, rightRank] of pairs) {
    const [from, to] = [leftRank, rightRank].map((rank) => top + (rank - 0.5) * ROW);
    pen.beginPath();
    pen.moveTo(left + 4, from);
    pen.bezierCurveTo(left + 0.45 * GUTTER, from, left + 0.55 * GUTTER, to, left + GUTTER, to);
    pen.stroke();
  }
}

function paintNotes(sheet, data, y) {
  const style = { size: 12.5, colour: QUIET };
  const strong = { ...style, weight: 600, colour: TEXT };
  const explained = data.lists[0].columns.filter((column) => ["similarity", "stability", "popularity"].includes(column.key));
  const notes = [...explained, ...(data.rbo ? [{ ...data.rbo, label: "RBO" }] : [])];
  y = paintLines(
    sheet,
    notes.flatMap(({ label, help }) => [{ ...strong, text: `${label} ` }, { ...style, text: `${help}.  ` }]),
    y,
    19,
  );
  return paintLines(
    sheet,
    [
      ...(data.simulated ? [{ ...strong, text: `${data.simulated}.  ` }] : []),
      { ...style, text: data.facts.join(" · ") },
    ],
    y + 8,
    19,
  );
}

// Runs of text, each in its own style, broken into lines; returns where the next line would begin.
function paintLines(sheet, runs, y, lineHeight, left = MARGIN, width = INNER) {
  for (const line of brokenIntoLines(sheet, runs, width)) {
    let x = left;
    for (const { run, text } of line) {
      put(sheet, text, x, y + lineHeight / 2, run, lineHeight);
      x += widthOf(sheet, text, run);
    }
    y += lineHeight;
  }
  return y;
}

// What stays of one run in one line stays together, so that text from right to left keeps its order.
function brokenIntoLines(sheet, runs, width) {
  const lines = [[]];
  let x = 0;
  for (const run of runs) {
    for (const word of words(sheet, run, width)) {
      if (x > 0 && x + widthOf(sheet, word.trimEnd(), run) > width) {
        lines.push([]);
        x = 0;
      }
      const line = lines.at(-1);
      if (line.at(-1)?.run === run) line.at(-1).text += word;
      else line.push({ run, text: word });
      x += widthOf(sheet, word, run);
    }
  }
  return lines;
}

// Words with the space after them; what is wider than a line is taken apart into characters.
function words(sheet, run, width) {
  const found = run.text.match(/\s+|\S+\s*/g) ?? [];
  return found.flatMap((word) => (widthOf(sheet, word, run) > width ? graphemes(word) : [word]));
}

function parted(text, by) {
  const at = text.indexOf(by);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + by.length)];
}

function graphemes(text) {
  return Intl.Segmenter ? Array.from(new Intl.Segmenter().segment(text), (part) => part.segment) : [...text];
}

// The text, or as much of its beginning as leaves room for an ellipsis.
function fitted(sheet, text, style, width) {
  if (widthOf(sheet, text, style) <= width) return text;
  const parts = graphemes(text);
  let [fits, tooMany] = [0, parts.length];
  while (tooMany - fits > 1) {
    const tried = (fits + tooMany) >> 1;
    if (widthOf(sheet, `${parts.slice(0, tried).join("")}…`, style) <= width) fits = tried;
    else tooMany = tried;
  }
  return `${parts.slice(0, fits).join("").trimEnd()}…`;
}

function dress(sheet, { size, weight = 400, family = sheet.fonts.text }) {
  sheet.pen.font = `${weight} ${size}px ${family}`;
}

function widthOf(sheet, text, style) {
  dress(sheet, style);
  return sheet.pen.measureText(text).width;
}

// `y` is the middle of the line; nothing is painted outside its height, however many accents a name piles up.
function put(sheet, text, x, y, style, height = 24) {
  const { pen } = sheet;
  dress(sheet, style);
  pen.fillStyle = style.colour ?? TEXT;
  pen.textAlign = style.align ?? "left";
  pen.textBaseline = "middle";
  pen.save();
  pen.beginPath();
  pen.rect(0, y - height / 2, WIDTH, height);
  pen.clip();
  // First-strong isolate … pop: a name from right to left, its ellipsis too, runs its own way.
  pen.fillText(style.isolated ? `\u2068${text}\u2069` : text, x, y);
  pen.restore();
}

function rule(pen, x, y, width, colour) {
  pen.fillStyle = colour;
  pen.fillRect(x, y - 0.5, width, 1);
}

export default function (component) {
  const { data, parentElement } = component;
  const root = parentElement.querySelector(".hand-on");
  const [copy, save] = root.querySelectorAll("button");
  copy.onclick = () => copyLink(root, copy);
  save.onclick = () => savePicture(root, save, data);
  copy.disabled = save.disabled = false;
}
