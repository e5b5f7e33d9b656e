// The messages of a channel, each a node that stays the same while its message changes.

import { enteredFields, keepEntered, renderContent } from "./blocks.js";
import { el, mrkdwn } from "./mrkdwn.js";

/** Closer to the end than this many pixels one reads the newest message. */
const NEAR_END = 80;

export class Conversation {
  /** `press(message, element, value, control, fields)` asks the app for something. */
  constructor({ list, scroll, empty, newest, announced, names, press }) {
    Object.assign(this, { list, scroll, empty, newest, announced, names, press });
    this.messages = new Map();
    this.nodes = new Map();
    this.channel = null;
    newest.addEventListener("click", () => this.toEnd());
    scroll.addEventListener("scroll", () => {
      if (this.isAtEnd()) newest.hidden = true;
    });
  }

  /** Forgets everything: what follows is all there is. */
  reset() {
    this.messages.clear();
    this.nodes.clear();
    this.list.replaceChildren();
    this.announced.textContent = "";
  }

  show(channel) {
    this.channel = channel;
    this.arrange();
    this.toEnd();
  }

  /** Takes what is new and what is gone. `isFirst`: it was there before the page was opened. */
  apply({ messages, gone }, isFirst) {
    const wasAtEnd = isFirst || this.isAtEnd();
    for (const key of gone) {
      this.messages.delete(key);
      this.nodes.delete(key);
      this.nodes.delete(`${key} in the channel`);
    }
    let isNew = false;
    for (const message of messages) {
      const isKnown = this.messages.has(message.key);
      this.messages.set(message.key, message);
      for (const [key, node] of this.nodesOf(message)) {
        this.fill(node, message, key !== message.key);
        if (!isFirst) mark(node, isKnown ? "changed" : "new");
      }
      if (!isFirst && !message.typed && message.channel === this.channel) {
        this.announce(message);
        isNew ||= !isKnown;
      }
    }
    this.arrange();
    if (wasAtEnd) this.toEnd();
    else if (isNew) this.newest.hidden = false;
  }

  /** The nodes of a message: a reply that the channel sees, too, has two. */
  nodesOf(message) {
    const keys = [message.key];
    if (message.thread_ts && message.broadcast) keys.push(`${message.key} in the channel`);
    return keys.map((key) => {
      if (!this.nodes.has(key)) this.nodes.set(key, el("li", { class: "message", "data-key": key }));
      return [key, this.nodes.get(key)];
    });
  }

  fill(node, message, isCopy) {
    const replies = node.querySelector(":scope > .replies") ?? el("ol", { class: "replies", "aria-label": "Replies" });
    const body = el("div", { class: "body" });
    const at = new Date(message.at / 1000);
    const time = el("time", { datetime: at.toISOString(), title: at.toLocaleString("en") },
      at.toLocaleTimeString("en", { hour: "2-digit", minute: "2-digit", hour12: false }));
    const head = el("p", { class: "head" });
    if (message.typed) {
      const name = this.names.get(this.names.person) ?? "";
      node.classList.add("typed");
      head.append(el("b", {}, name), " ", time);
      body.append(head, el("p", { class: "text" }, el("code", {}, message.typed)));
      node.replaceChildren(el("span", { class: "avatar person", "aria-hidden": "true" }, name.slice(0, 1)), body);
      return;
    }
    head.append(el("b", {}, "chatops"), " ", el("span", { class: "app" }, "APP"), " ", time);
    if (message.edited_at) head.append(" ", el("span", { class: "edited" }, "(edited)"));
    body.append(head);
    node.classList.toggle("only-you", message.only_you);
    if (message.only_you) body.append(el("p", { class: "audience" }, "Only visible to you"));
    if (isCopy) body.append(el("p", { class: "audience" }, "Replied in a thread, and here"));
    const content = el("div", { class: "content" });
    content.append(renderContent(message, {
      names: this.names,
      press: (element, value, control) => this.press(message, element, value, control, enteredFields(content)),
    }));
    body.append(content);
    // What it begins with says how it stands.
    const sign = content.querySelector(".emoji")?.dataset.sign;
    if (sign) content.dataset.sign = sign;
    const restore = keepEntered(node.querySelector(":scope > .body"), body);
    const icon = el("img", { class: "avatar", src: "/icon.svg", alt: "", width: 36, height: 36 });
    node.replaceChildren(icon, body, replies);
    restore();
  }

  /** Puts the nodes of the channel in order; those that are in place are not touched. */
  arrange() {
    const here = [...this.messages.values()].filter((message) => message.channel === this.channel);
    here.sort((a, b) => a.at - b.at);
    const top = [];
    const threads = new Map();
    for (const message of here) {
      const parent = message.thread_ts && this.messages.get(message.thread_ts);
      if (parent) {
        threads.set(parent.key, [...(threads.get(parent.key) ?? []), this.nodes.get(message.key)]);
        if (message.broadcast) top.push(this.nodes.get(`${message.key} in the channel`));
      } else {
        top.push(this.nodes.get(message.key));
      }
    }
    place(this.list, top);
    for (const message of here) {
      const replies = this.nodes.get(message.key).querySelector(":scope > .replies");
      if (replies) place(replies, threads.get(message.key) ?? []);
    }
    this.empty.hidden = top.length > 0;
  }

  /** Says to a screen reader what came or changed. */
  announce(message) {
    const text = mrkdwn(message.text, this.names).textContent;
    this.announced.textContent = `chatops: ${text}`;
  }

  isAtEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroll;
    return scrollHeight - scrollTop - clientHeight < NEAR_END;
  }

  toEnd() {
    this.scroll.scrollTop = this.scroll.scrollHeight;
    this.newest.hidden = true;
  }
}

/** Makes these nodes, in this order, the children. */
export function place(parent, nodes) {
  for (const child of [...parent.children]) {
    if (!nodes.includes(child)) child.remove();
  }
  nodes.forEach((node, i) => {
    if (parent.children[i] !== node) parent.insertBefore(node, parent.children[i] ?? null);
  });
}

/** Starts the animation of a node that is new or changed, again if it runs. */
function mark(node, how) {
  node.classList.remove("new", "changed");
  void node.offsetWidth;
  node.classList.add(how);
}
