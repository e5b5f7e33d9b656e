// Slack's mrkdwn as nodes. Whatever a text says ends in text nodes, so it can never be markup.

const EMOJI = {
  arrow_forward: "▶️", hourglass_flowing_sand: "⏳", information_source: "ℹ️", lock: "🔒",
  no_entry: "⛔", raised_hand: "✋", rotating_light: "🚨", rocket: "🚀", tada: "🎉",
  unlock: "🔓", warning: "⚠️", white_check_mark: "✅", x: "❌",
};

const HIDDEN_SPACE = "\u200b";
const STYLES = { "*": "strong", _: "em", "~": "s" };

/** An element with these attributes and children; a string child is text. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null && value !== false) {
      node.setAttribute(name, value === true ? "" : value);
    }
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** A text object of Slack: mrkdwn or plain text. */
export function textObject(text, names) {
  return text.type === "mrkdwn" ? mrkdwn(text.text, names) : plainText(text.text);
}

/** Plain text, of which only emoji are shown as such. */
export function plainText(text) {
  const out = document.createDocumentFragment();
  scan(text, out, (rest, at) => (text[at] === ":" ? emoji(text, at) : null), (plain) => plain);
  return out;
}

/** A text in mrkdwn. */
export function mrkdwn(text, names) {
  const out = document.createDocumentFragment();
  const parts = text.split("```");
  parts.forEach((part, i) => {
    const isCode = i % 2 === 1;
    if (isCode && i < parts.length - 1) {
      out.append(el("pre", {}, el("code", {}, decoded(part.replace(/^\n/, "")))));
    } else if (part || isCode) {
      appendLines(isCode ? "```" + part : part, out, names);
    }
  });
  return out;
}

/** The three characters that Slack escapes; each once, so that `&amp;lt;` is `&lt;`. */
export function decoded(text) {
  const signs = { amp: "&", lt: "<", gt: ">" };
  return text.replace(/&(amp|lt|gt);/g, (_, name) => signs[name]);
}

function appendLines(text, out, names) {
  let quote = null;
  text.split("\n").forEach((line, i, lines) => {
    const quoted = /^(?:&gt;|>) ?/.exec(line);
    if (quoted) {
      if (!quote) {
        quote = el("blockquote");
        out.append(quote);
      } else {
        quote.append("\n");
      }
      inline(line.slice(quoted[0].length), quote, names);
      return;
    }
    inline(line, out, names);
    quote = null;
    if (i < lines.length - 1) out.append("\n");
  });
}

function inline(text, out, names) {
  scan(text, out, (_, at) => markAt(text, at, names), decoded);
}

/** Goes through a text; what is at a mark becomes its node, the rest text. */
function scan(text, out, mark, plain) {
  let from = 0;
  let at = 0;
  while (at < text.length) {
    const found = mark(text, at);
    if (!found) {
      at += 1;
      continue;
    }
    if (at > from) out.append(plain(text.slice(from, at)));
    out.append(found.node);
    at = from = found.end;
  }
  if (at > from) out.append(plain(text.slice(from)));
}

function markAt(text, at, names) {
  const c = text[at];
  if (c === "`") {
    const end = text.indexOf("`", at + 1);
    if (end <= at + 1) return null;
    return { node: el("code", {}, decoded(text.slice(at + 1, end))), end: end + 1 };
  }
  if (c === "<") {
    const end = text.indexOf(">", at);
    const node = end > at + 1 ? reference(text.slice(at + 1, end), names) : null;
    return node && { node, end: end + 1 };
  }
  // After a hidden space Slack shows the mark itself.
  if (c === HIDDEN_SPACE && STYLES[text[at + 1]]) {
    return { node: document.createTextNode(text[at + 1]), end: at + 2 };
  }
  if (c === ":") return emoji(text, at);
  return STYLES[c] ? styled(text, at, names) : null;
}

const isWord = (c) => c !== undefined && /[\p{L}\p{N}_]/u.test(c);
const isSpace = (c) => c === undefined || /\s/.test(c);

function styled(text, at, names) {
  const mark = text[at];
  if (isWord(text[at - 1]) || isSpace(text[at + 1]) || text[at + 1] === mark) return null;
  for (let end = at + 1; end < text.length; end += 1) {
    const c = text[end];
    if (c === HIDDEN_SPACE) {
      end += 1;
    } else if (c === "`" || c === "<") {
      // A mark in code or in an address is none.
      const close = text.indexOf(c === "`" ? "`" : ">", end + 1);
      if (close > end) end = close;
    } else if (c === mark && !isSpace(text[end - 1]) && !isWord(text[end + 1])) {
      const node = el(STYLES[mark]);
      inline(text.slice(at + 1, end), node, names);
      return { node, end: end + 1 };
    }
  }
  return null;
}

function emoji(text, at) {
  const found = /^:([a-z0-9_+-]+):/.exec(text.slice(at, at + 40));
  const sign = found && Object.hasOwn(EMOJI, found[1]) && !isWord(text[at - 1]);
  if (!sign) return null;
  const name = found[1].replaceAll("_", " ");
  const node = el("span", { class: "emoji", role: "img", "aria-label": name, "data-sign": found[1] }, EMOJI[found[1]]);
  return { node, end: at + found[0].length };
}

/** What is between `<` and `>`; null if Slack gives it no meaning. */
function reference(inner, names) {
  const bar = inner.indexOf("|");
  const what = bar < 0 ? inner : inner.slice(0, bar);
  const label = bar < 0 ? null : decoded(inner.slice(bar + 1));
  if (/^[@#][A-Z0-9]+$/.test(what)) {
    const known = names.get(what.slice(1)) ?? label ?? what.slice(1);
    const isYou = what.slice(1) === names.person;
    return el("span", { class: isYou ? "mention you" : "mention" }, what[0] + known);
  }
  if (what.startsWith("!date^")) return date(what, label);
  if (what.startsWith("!")) return el("span", { class: "mention" }, label ?? "@" + what.slice(1));
  return link(decoded(what), label);
}

/** A link that opens elsewhere; null for what is no address of the web. */
export function link(address, label, attributes = {}) {
  if (!/^(https?:\/\/|mailto:)/i.test(address) || !URL.canParse(address)) return null;
  const outside = { href: address, target: "_blank", rel: "noopener noreferrer", ...attributes };
  return el("a", outside, label || address);
}

function date(what, fallback) {
  const [, seconds, format, href] = what.split("^");
  const at = new Date(Number(seconds) * 1000);
  if (!format || Number.isNaN(at.getTime())) return document.createTextNode(fallback ?? what);
  const attributes = { datetime: at.toISOString(), title: fallback, "data-format": decoded(format) };
  const time = el("time", attributes);
  showTime(time);
  const linked = href && link(decoded(href), "");
  if (!linked) return time;
  linked.replaceChildren(time);
  return linked;
}

const DAY = 86_400_000;

function showTime(time) {
  const at = new Date(time.dateTime);
  const part = (options) => new Intl.DateTimeFormat("en", options).format(at);
  const dates = {
    date_num: () => time.dateTime.slice(0, 10),
    date: () => part({ dateStyle: "long" }),
    date_short: () => part({ dateStyle: "medium" }),
    date_long: () => part({ dateStyle: "full" }),
    time: () => part({ timeStyle: "short" }),
    time_secs: () => part({ timeStyle: "medium" }),
    ago: () => ago(at),
  };
  const startOf = (moment) => new Date(moment).setHours(0, 0, 0, 0);
  const days = Math.round((startOf(at) - startOf(Date.now())) / DAY);
  const near = { "-1": "yesterday", 0: "today", 1: "tomorrow" }[days];
  const shown = time.dataset.format.replace(/\{(\w+)\}/g, (token, name) => {
    const pretty = name.endsWith("_pretty");
    const show = dates[pretty ? name.slice(0, -"_pretty".length) : name];
    return show ? (pretty && near) || show() : token;
  });
  if (time.textContent !== shown) time.textContent = shown;
}

/** How long ago a moment is. */
export function ago(at) {
  const relative = new Intl.RelativeTimeFormat("en");
  const s = Math.round((at - Date.now()) / 1000);
  const units = [["day", 86_400], ["hour", 3600], ["minute", 60]];
  const [unit, size] = units.find(([, size]) => Math.abs(s) >= size) ?? ["second", 1];
  return Math.abs(s) < 2 ? "just now" : relative.format(Math.trunc(s / size), unit);
}

/** Brings the times that say how long ago they are up to date. */
export function refreshTimes(root) {
  root.querySelectorAll("time[data-format]").forEach(showTime);
}
