// Keyboard for lists and cases. Everything here can also be done with links and buttons.
(() => {
  const items = () => [...document.querySelectorAll("[data-item]")];
  const here = () => document.querySelector("[data-item].here") || (items().length === 1 ? items()[0] : null);

  const move = (step) => {
    const all = items();
    if (!all.length) return;
    const at = all.indexOf(document.querySelector("[data-item].here"));
    const next = all[Math.min(all.length - 1, Math.max(0, at + step))];
    all.forEach((item) => item.classList.toggle("here", item === next));
    next.setAttribute("tabindex", "-1");
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  };

  const press = (key) => {
    const place = here() || document;
    const target = place.querySelector(`[data-key="${key}"]`) || (key === "/" && document.querySelector('[data-key="/"]'));
    if (!target && key === "/") location.href = "/feedback";
    if (!target) return false;
    if (target.tagName === "SUMMARY") {
      target.parentElement.open = true;
      (target.parentElement.querySelector("select, input:not([type=hidden])") || target).focus();
    } else if (target.tagName === "BUTTON" || target.tagName === "A") {
      target.click();
    } else {
      target.focus();
    }
    return true;
  };

  // Where a text is asked about, every label has its key; Enter keeps what is chosen.
  const chosen = (event) => {
    const digit = event.shiftKey && event.code.match(/^Digit(\d)$/);
    const name = digit ? `shift+${digit[1]}` : event.key;
    if (name === "Enter") return event.target.closest("a, button, summary") ? null : document.querySelector("[data-enter]");
    return document.querySelector(`[data-press="${CSS.escape(name)}"]`);
  };

  const typing = "textarea, select, dialog[open], input:not([type=radio]):not([type=checkbox])";

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest(typing)) return;
    const label = chosen(event);
    if (label) {
      event.preventDefault();
      const folded = label.closest("details:not([open])");
      if (folded) folded.open = true;
      label.click();
      return;
    }
    const item = here();
    if (event.key === "j") move(1);
    else if (event.key === "k") move(-1);
    else if (event.key === "Enter" && item && item.dataset.open && event.target === item) location.href = item.dataset.open;
    else if (event.key === "a" && item && item.dataset.ack && !item.querySelector('[data-key="a"]')) {
      location.href = `/actions/${item.dataset.ack}#case`;
    } else if (event.key === "?") document.getElementById("help").showModal();
    else if (!["a", "c", "/"].includes(event.key) || !press(event.key)) return;
    event.preventDefault();
  });

  // Once something else is chosen, the button says so.
  document.addEventListener("change", (event) => {
    const button = event.target.closest("[data-lesson]")?.querySelector("[data-changed]");
    if (button && button.firstChild.data !== button.dataset.changed) button.firstChild.data = `${button.dataset.changed} `;
  });

  // The exact time on hover, in the reader's own time zone.
  const local = () => document.querySelectorAll("time[datetime]:not([data-local])").forEach((time) => {
    time.dataset.local = "";
    time.title = new Date(time.dateTime).toLocaleString(undefined, { dateStyle: "full", timeStyle: "short" });
  });
  local();
  document.addEventListener("htmx:after:swap", local);

  // The form that corrects a tag is fetched into its place when it is asked for; without this, its link leads to it.
  document.addEventListener("click", async (event) => {
    const link = event.target.closest('a[data-key="c"]');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    try {
      const page = new DOMParser().parseFromString(await (await fetch(link.href)).text(), "text/html");
      const form = document.adoptNode(page.querySelector("details.correct"));
      link.parentElement.replaceWith(form);
      htmx.process(form);
      form.querySelector("select").focus();
    } catch {
      location.href = link.href;
    }
  });
})();
