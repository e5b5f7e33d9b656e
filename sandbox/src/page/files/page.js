// The page: who and where one is, the stream of what happens, and what one types and presses.

import { CircleCi } from "./circleci.js";
import { Conversation } from "./conversation.js";
import { el, refreshTimes } from "./mrkdwn.js";

const byId = (id) => document.getElementById(id);

/** The names of people and channels by id, and who one is. */
class Names extends Map {
  person = null;
}

const names = new Names();
const history = { lines: [], at: 0 };
const unread = new Map();
let workspace = null;
let stream = null;
let isLost = false;

const conversation = new Conversation({
  list: byId("messages"), scroll: byId("scroll"), empty: byId("empty"), newest: byId("newest"),
  announced: byId("announced"), names, press,
});
const circleci = new CircleCi({ panel: document.querySelector(".circleci"), change });

/** Asks the server for something; the answer, or why there is none. */
async function ask(path, body) {
  try {
    const response = await fetch(path, {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body),
    });
    return response.ok ? await response.json() : { error: await response.text() };
  } catch {
    return { error: "the demo does not answer" };
  }
}

/** Follows what happens, as the person one is. The first event has everything. */
function follow() {
  stream?.close();
  const query = names.person ? `?person=${encodeURIComponent(names.person)}` : "";
  const mine = new EventSource(`/page/events${query}`);
  stream = mine;
  mine.onmessage = ({ data }) => {
    if (stream === mine) receive(JSON.parse(data));
  };
  mine.onerror = () => {
    if (stream !== mine) return;
    showLost(true);
    // The browser connects again by itself only after a connection that broke.
    if (mine.readyState === EventSource.CLOSED) setTimeout(() => stream === mine && follow(), 1000);
  };
}

function receive(event) {
  const isFirst = event.workspace !== undefined;
  if (isFirst) begin(event);
  if (event.pipelines) circleci.showPipelines(event.pipelines);
  if (event.switches) circleci.showSwitches(event.switches);
  for (const { channel } of isFirst ? [] : event.messages) {
    if (channel !== conversation.channel) unread.set(channel, (unread.get(channel) ?? 0) + 1);
  }
  conversation.apply(event, isFirst);
  if (event.messages.length) showPlaces();
}

function begin(event) {
  workspace = event.workspace;
  names.clear();
  for (const { id, name } of [...workspace.people, ...workspace.channels]) names.set(id, name);
  names.person = event.person;
  conversation.reset();
  byId("command").textContent = workspace.command;
  const chips = workspace.suggestions.map((words) => {
    // Without words it is the command alone.
    const chip = el("button", { type: "button" }, words || workspace.command);
    chip.addEventListener("click", () => type(words));
    return chip;
  });
  byId("suggestions").replaceChildren(...chips);
  showLost(false);
  go(conversation.channel ?? workspace.channels[0].id);
}

function showLost(lost) {
  isLost = lost;
  const banner = byId("lost");
  banner.hidden = !lost;
  banner.textContent = lost ? "The demo does not answer. Trying again …" : "";
}

function go(channel) {
  unread.delete(channel);
  conversation.show(channel);
  byId("channel-name").textContent = `# ${names.get(channel)}`;
  byId("acting").textContent = `as ${names.get(names.person)}`;
  document.title = `#${names.get(channel)} · chatops demo`;
  showPlaces();
}

function be(person) {
  names.person = person;
  unread.clear();
  follow();
}

/** The lists of channels and people. They are filled once; then only their states change. */
function showPlaces() {
  const entry = (list, id, sign, act) => {
    let button = list.querySelector(`[data-id="${CSS.escape(id)}"]`);
    if (!button) {
      button = el("button", { type: "button", "data-id": id },
        el("span", { class: "sign", "aria-hidden": "true" }, sign), el("span", { class: "name" }, names.get(id)),
        el("span", { class: "unread" }));
      button.addEventListener("click", () => act(id));
      list.append(el("li", {}, button));
    }
    return button;
  };
  for (const { id } of workspace.channels) {
    const button = entry(byId("channels"), id, "#", go);
    setCurrent(button, id === conversation.channel);
    const count = unread.get(id) ?? 0;
    const shown = button.querySelector(".unread");
    shown.textContent = count || "";
    shown.toggleAttribute("aria-hidden", !count);
    button.setAttribute("aria-label", `${names.get(id)}${count ? `, ${count} new` : ""}`);
  }
  for (const { id, name } of workspace.people) {
    setCurrent(entry(byId("people"), id, name.slice(0, 1), be), id === names.person);
  }
}

function setCurrent(button, isCurrent) {
  if (isCurrent) button.setAttribute("aria-current", "true");
  else button.removeAttribute("aria-current");
}

/** Types a command: what follows the slash command, or all of it. */
async function type(line) {
  const { command } = workspace;
  const words = line.trim();
  const isWhole = words === command || words.startsWith(`${command} `);
  const text = isWhole ? words.slice(command.length).trim() : words;
  history.lines.push(words);
  history.at = history.lines.length;
  const { error } = await ask("/page/command", { person: names.person, channel: conversation.channel, text });
  const failed = byId("failed");
  failed.hidden = !error;
  failed.textContent = error ? `⚠ ${error}` : "";
}

async function press(message, element, value, control, fields) {
  control.setAttribute("aria-busy", "true");
  const body = {
    person: names.person, channel: message.channel, ts: message.ts, action_id: element.action_id, value, fields,
  };
  const { status, error } = await ask("/page/press", body);
  control.removeAttribute("aria-busy");
  const warning = control.parentElement?.querySelector(".warning");
  warning?.remove();
  if (status === 200) return;
  const why = error ?? (status ? `the app answered ${status}` : "the app did not answer");
  control.after(el("span", { class: "warning", role: "alert" }, `⚠ Something went wrong: ${why}.`));
}

async function change(what) {
  const answer = await ask("/page/circleci", what);
  if (answer.error) {
    byId("failed").hidden = false;
    byId("failed").textContent = `⚠ ${answer.error}`;
  } else {
    circleci.showSwitches(answer);
  }
}

byId("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const words = byId("words");
  if (!workspace || isLost) return;
  // An empty line is the command alone.
  type(words.value);
  words.value = "";
});

byId("words").addEventListener("keydown", (event) => {
  const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (!step || event.isComposing) return;
  const at = history.at + step;
  if (at < 0 || at > history.lines.length) return;
  event.preventDefault();
  history.at = at;
  event.target.value = history.lines[at] ?? "";
});

for (const button of document.querySelectorAll("[data-shows]")) {
  button.addEventListener("click", () => {
    document.body.dataset.view = button.dataset.shows;
    for (const other of document.querySelectorAll("[data-shows]")) {
      other.setAttribute("aria-pressed", String(other === button));
    }
  });
}

setInterval(() => {
  refreshTimes(document);
  circleci.refreshTimes();
}, 1000);

// A browser keeps six connections to a server, over all tabs: one that nobody sees keeps none.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    stream?.close();
    stream = null;
  } else if (!stream) {
    follow();
  }
});
if (!document.hidden) follow();
