// CircleCI beside the conversation: its pipelines and the switches of what goes wrong.

import { ago, el } from "./mrkdwn.js";
import { place } from "./conversation.js";

/** The sign of a status; its word stands beside it. */
const SIGNS = {
  success: "✓", failed: "✕", failing: "✕", error: "✕", errored: "✕", canceled: "⊘", unauthorized: "✕",
  running: "●", queued: "○", on_hold: "‖", blocked: "○", not_run: "–", pending: "○", created: "●",
};

export class CircleCi {
  /** `change(what)` asks for a change of CircleCI. */
  constructor({ panel, change }) {
    Object.assign(this, { panel, change });
    this.nodes = new Map();
    this.list = panel.querySelector("#pipelines");
    this.none = panel.querySelector("#no-pipelines");
    this.nextRun = panel.querySelector("#next-run");
    for (const button of this.switches()) {
      button.addEventListener("click", () => {
        change({ [button.dataset.switch]: button.getAttribute("aria-checked") !== "true" });
      });
    }
    this.nextRun.addEventListener("change", () => change({ next_run: this.nextRun.value }));
  }

  switches() {
    return this.panel.querySelectorAll("[data-switch]");
  }

  showSwitches(state) {
    for (const button of this.switches()) {
      button.setAttribute("aria-checked", String(state[button.dataset.switch]));
    }
    this.nextRun.value = state.next_run;
    this.panel.classList.toggle("unreachable", state.unreachable);
  }

  showPipelines(pipelines) {
    const nodes = pipelines.map((pipeline) => {
      const text = JSON.stringify(pipeline);
      const known = this.nodes.get(pipeline.id) ?? { node: el("li", { class: "pipeline" }) };
      if (known.text !== text) this.fill(known.node, pipeline);
      this.nodes.set(pipeline.id, { node: known.node, text });
      return known.node;
    });
    place(this.list, nodes);
    this.none.hidden = nodes.length > 0;
    this.refreshTimes();
  }

  fill(node, pipeline) {
    const had = node.contains(document.activeElement);
    const newest = pipeline.workflows[0]?.status ?? pipeline.state;
    const at = new Date(pipeline.at / 1000).toISOString();
    node.dataset.status = newest;
    node.replaceChildren(
      el("p", { class: "title" },
        el("b", {}, `${pipeline.job ?? "pipeline"}`), ` #${pipeline.number}`,
        el("time", { datetime: at, "data-ago": true })),
      el("p", { class: "source" }, el("code", {}, pipeline.reference), " ", pipeline.revision ?? ""),
      ...pipeline.errors.map((error) => el("p", { class: "trouble" }, error)),
      ...pipeline.workflows.map((workflow) => this.workflow(workflow)));
    if (!pipeline.workflows.length) node.append(el("p", { class: "workflow" }, status(pipeline.state)));
    if (had) node.querySelector("button")?.focus();
  }

  workflow(workflow) {
    const jobs = workflow.jobs.map((job) => {
      const item = el("li", { class: "job" }, status(job.status, job.name));
      if (job.request && job.status === "on_hold") {
        const button = el("button", { type: "button", class: "button primary small" }, "Approve");
        button.addEventListener("click", () => {
          this.change({ approve: { workflow: workflow.id, request: job.request } });
        });
        item.append(button);
      }
      return item;
    });
    return el("div", { class: "workflow" }, status(workflow.status, workflow.name), el("ul", { class: "jobs" }, ...jobs));
  }

  refreshTimes() {
    for (const time of this.list.querySelectorAll("time[data-ago]")) {
      time.textContent = ago(new Date(time.dateTime));
    }
  }
}

function status(word, name) {
  const shown = word.replaceAll("_", " ");
  return el("span", { class: "status", "data-status": word },
    el("span", { class: "sign", "aria-hidden": "true" }, SIGNS[word] ?? "●"),
    name ? el("span", { class: "name" }, name) : null, " ", el("span", { class: "word" }, shown));
}
