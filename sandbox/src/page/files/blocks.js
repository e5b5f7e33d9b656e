// Slack's blocks as nodes: what they show, what can be entered, and what a press leads to.

import { el, link, mrkdwn, plainText, textObject } from "./mrkdwn.js";

/** The blocks of a message. `press(element, value, control)` does what the app is asked for. */
export function renderBlocks(blocks, { names, press }) {
  const out = document.createDocumentFragment();
  const context = { names, press };
  for (const block of blocks) {
    const render = BLOCKS[block.type];
    out.append(render ? render(block, context) : el("p", { class: "unknown" }, `(a block of the kind ${block.type})`));
  }
  return out;
}

const BLOCKS = {
  section(block, context) {
    const node = el("div", { class: "section" });
    if (block.text) node.append(el("div", { class: "text" }, textObject(block.text, context.names)));
    if (block.fields) {
      const fields = block.fields.map((field) => el("li", {}, textObject(field, context.names)));
      node.append(el("ul", { class: "fields" }, ...fields));
    }
    if (block.accessory) node.append(el("div", { class: "accessory" }, element(block.accessory, block, context)));
    return node;
  },
  header: (block) => el("h3", { class: "header" }, plainText(block.text.text)),
  divider: () => el("hr"),
  markdown: (block) => el("div", { class: "section" }, block.text),
  image: (block) => picture(block),
  context(block, { names }) {
    const parts = block.elements.map((part) =>
      el("span", {}, part.type === "image" ? picture(part) : textObject(part, names)));
    return el("div", { class: "context" }, ...parts);
  },
  actions: (block, context) =>
    el("div", { class: "actions" }, ...block.elements.map((part) => element(part, block, context))),
  input(block, context) {
    const field = element(block.element, block, context);
    const label = el("label", { for: field.id }, plainText(block.label.text));
    if (block.optional) label.append(el("span", { class: "optional" }, " (optional)"));
    const node = el("div", { class: "input" }, label, field);
    if (block.hint) {
      const hint = el("p", { class: "hint", id: `${field.id}-hint` }, plainText(block.hint.text));
      field.setAttribute("aria-describedby", hint.id);
      node.append(hint);
    }
    return node;
  },
};

/** A picture is named, not fetched: nothing is loaded from elsewhere. */
const picture = (image) => el("span", { class: "picture", role: "img", "aria-label": image.alt_text }, image.alt_text);

function element(part, block, context) {
  const render = ELEMENTS[part.type];
  return render ? render(part, block, context) : el("span", { class: "unknown" }, `(${part.type})`);
}

const ELEMENTS = {
  button(button, _block, context) {
    const kind = { primary: "primary", danger: "danger" }[button.style] ?? "";
    const attributes = {
      class: `button ${kind}`, "data-action": button.action_id, "aria-label": button.accessibility_label,
    };
    const label = plainText(button.text.text);
    const node = (button.url && link(button.url, label, attributes))
      || el("button", { type: "button", ...attributes }, label);
    node.addEventListener("click", async () => {
      if (node.getAttribute("aria-busy") === "true") return;
      if (button.confirm && !(await isConfirmed(button.confirm, context.names))) return;
      context.press(button, null, node);
    });
    return node;
  },
  plain_text_input(field, block, { names }) {
    const tag = field.multiline ? "textarea" : "input";
    const node = el(tag, {
      ...fieldAttributes(field, block), type: field.multiline ? undefined : "text",
      maxlength: field.max_length ?? 3000, spellcheck: "false", autocapitalize: "off",
      placeholder: field.placeholder?.text,
    });
    node.dataset.initial = node.value = field.initial_value ?? "";
    if (block.type !== "input") node.setAttribute("aria-label", field.placeholder?.text ?? field.action_id);
    return node;
  },
  static_select(menu, block, context) {
    const initial = menu.initial_option?.value ?? "";
    const node = el("select", fieldAttributes(menu, block));
    if (!initial) {
      const nothing = menu.placeholder?.text ?? "Choose an option";
      node.append(el("option", { value: "", disabled: true, selected: true }, nothing));
    }
    const option = ({ text, value }) =>
      el("option", { value, selected: value === initial }, plainText(text.text).textContent);
    for (const group of menu.option_groups ?? []) {
      node.append(el("optgroup", { label: group.label.text }, ...group.options.map(option)));
    }
    node.append(...(menu.options ?? []).map(option));
    node.dataset.initial = initial;
    if (block.type === "input") return node;
    node.setAttribute("aria-label", menu.placeholder?.text ?? menu.action_id);
    // A field of a form is only read; any other menu acts at once.
    node.addEventListener("change", () => context.press(menu, node.value, node));
    return node;
  },
  image: (image) => picture(image),
};

let nextId = 1;

function fieldAttributes(field, block) {
  const id = `field-${nextId++}`;
  return { id, class: "field", "data-field": field.action_id, "data-block": block.block_id ?? "" };
}

/** What stands in the fields of a message, by block and element. */
export function enteredFields(node) {
  const fields = {};
  for (const field of node.querySelectorAll("[data-field]")) {
    (fields[field.dataset.block] ??= {})[field.dataset.field] = field.value;
  }
  return fields;
}

/** Carries what a person has entered, and the focus, over to the same message as it is shown anew. */
export function keepEntered(before, after) {
  const place = (field) => `${field.dataset.block} ${field.dataset.field ?? field.dataset.action}`;
  const all = (node) => [...(node?.querySelectorAll("[data-field], [data-action]") ?? [])];
  const old = new Map(all(before).map((field) => [place(field), field]));
  const focused = all(before).find((field) => field === document.activeElement);
  return () => {
    for (const field of all(after)) {
      const known = old.get(place(field));
      // A field that begins with something else is another question.
      if (known?.dataset.field && known.dataset.initial === field.dataset.initial) field.value = known.value;
      if (focused && known === focused) field.focus({ preventScroll: true });
    }
  };
}

/** Asks before a press, as the app wants it asked. */
function isConfirmed(confirm, names) {
  const title = el("h2", { id: "confirm-title" }, plainText(confirm.title.text));
  const text = el("p", { id: "confirm-text" }, textObject(confirm.text, names));
  const no = el("button", { type: "button", class: "button" }, plainText(confirm.deny?.text ?? "Cancel"));
  const kind = confirm.style === "danger" ? "danger" : "primary";
  const yes = el("button", { type: "button", class: `button ${kind}` }, plainText(confirm.confirm?.text ?? "Yes"));
  const dialog = el("dialog", { "aria-labelledby": title.id, "aria-describedby": text.id },
    title, text, el("div", { class: "answers" }, no, yes));
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    yes.addEventListener("click", () => dialog.close("yes"));
    no.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
  });
}

/** What a message shows: its blocks, or its text without blocks. */
export function renderContent(message, context) {
  if (message.blocks?.length) return renderBlocks(message.blocks, context);
  return el("div", { class: "section" }, el("div", { class: "text" }, mrkdwn(message.text, context.names)));
}
