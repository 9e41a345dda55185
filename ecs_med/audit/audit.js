"use strict";
(() => {
  const known = JSON.parse(document.getElementById("known").textContent);
  const masks = [...document.querySelectorAll(".mask")];
  const key = `ecs-med audit ${known.identity}`;
  const open = new Set();  // Decided before, and opened again here.
  const decided = new Map();  // Entries of the exported file by case.
  let current = -1;

  const entry = (mask, decision) => ({
    case: mask.dataset.case, decision, mask: mask.dataset.mask, labels: mask.dataset.labels,
  });
  const same = (one, mask) =>
    (one.mask && one.mask === mask.dataset.mask) || (one.labels && one.labels === mask.dataset.labels);

  function restore() {
    for (const one of known.decisions) decided.set(one.case, one);
    let kept = null;
    try { kept = JSON.parse(localStorage.getItem(key)); } catch { return; }
    if (kept === null || !Array.isArray(kept.decisions) || !Array.isArray(kept.open)) return;
    const byCase = new Map(masks.map((mask) => [mask.dataset.case, mask]));
    for (const one of kept.decisions) {
      // A mask that was changed since is another one.
      const mask = byCase.get(one.case);
      if (mask && same(one, mask)) decided.set(one.case, entry(mask, one.decision));
    }
    for (const name of kept.open) if (byCase.has(name)) { decided.delete(name); open.add(name); }
  }

  function keep() {
    try {
      localStorage.setItem(key, JSON.stringify({decisions: [...decided.values()], open: [...open]}));
    } catch {
      document.getElementById("storage").textContent =
        "This browser keeps nothing for a page from a file: save decisions.json before it is closed.";
    }
  }

  function show() {
    const wanted = document.getElementById("kind").value;
    const onlyOpen = document.getElementById("open-only").checked;
    for (const mask of masks) {
      const now = decided.get(mask.dataset.case)?.decision;
      for (const button of mask.querySelectorAll("[data-decision]"))
        button.setAttribute("aria-pressed", String(button.dataset.decision === now));
      mask.hidden = (onlyOpen && now !== undefined && mask !== masks[current])
        || (wanted !== "" && mask.dataset.kind !== wanted);
      mask.classList.toggle("current", mask === masks[current]);
    }
    const count = (name) => [...decided.values()].filter((one) => one.decision === name).length;
    document.getElementById("tally").textContent = decided.size === 0
      ? "Nothing is decided yet."
      : `${decided.size} decided: ${count("right")} right, ${count("wrong")} wrong, ${count("unsure")} unsure.`;
  }

  function decide(mask, decision) {
    const name = mask.dataset.case;
    if (decision === null || decided.get(name)?.decision === decision) {
      decided.delete(name);
      open.add(name);
    } else {
      decided.set(name, entry(mask, decision));
      open.delete(name);
    }
    keep();
    show();
  }

  function move(step) {
    let next = current + step;
    while (next >= 0 && next < masks.length && masks[next].hidden) next += step;
    if (next < 0 || next >= masks.length) return;
    current = next;
    show();
    masks[current].focus({preventScroll: true});
    masks[current].scrollIntoView({block: "start"});
  }

  function save() {
    const order = [...decided.values()].sort((a, b) => (a.case < b.case ? -1 : 1));
    const content = {format: "ecs-med decisions", version: 1, decisions: order};
    const link = document.createElement("a");
    link.href = URL.createObjectURL(
      new Blob([`${JSON.stringify(content, null, 1)}\n`], {type: "application/json"}));
    link.download = "decisions.json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-decision]");
    const mask = event.target.closest(".mask");
    if (mask) current = masks.indexOf(mask);
    if (button) decide(mask, button.dataset.decision);
    else if (mask) show();
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("select, input")) return;
    const decisions = {r: "right", w: "wrong", u: "unsure", 0: null};
    if (event.key === "j") move(1);
    else if (event.key === "k") move(-1);
    else if (event.key in decisions && masks.length) {
      if (current < 0) move(1);
      if (current >= 0) decide(masks[current], decisions[event.key]);
    } else return;
    event.preventDefault();
  });
  document.getElementById("export").addEventListener("click", save);
  for (const name of ["kind", "open-only"]) document.getElementById(name).addEventListener("change", show);

  restore();
  show();
})();
