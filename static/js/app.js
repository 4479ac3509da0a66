// Enhancement only: every page and every form works without this file.
const root = document.documentElement;
const systemDark = matchMedia("(prefers-color-scheme: dark)");

const isDark = () => (root.dataset.theme || (systemDark.matches ? "dark" : "light")) === "dark";

const say = (text) => {
  const live = document.getElementById("live");
  if (!live || !text) return;
  live.textContent = "";
  // A status region is read out only when its content changes after the fact.
  setTimeout(() => { live.textContent = text; }, 60);
};

const markThemeButtons = () => {
  for (const button of document.querySelectorAll("[data-theme-toggle]")) {
    button.hidden = false;
    button.setAttribute("aria-pressed", String(isDark()));
  }
};

const toggleTheme = () => {
  const theme = isDark() ? "light" : "dark";
  root.dataset.theme = theme;
  // The server reads the cookie, so that the next page comes in the right theme at once.
  document.cookie = `theme=${theme};path=/;max-age=31536000;samesite=lax`;
  markThemeButtons();
};

const copy = async (button) => {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
  } catch {
    return;
  }
  const label = button.querySelector("[data-label]");
  say(button.dataset.done);
  if (!label || label.dataset.before) return;
  label.dataset.before = label.textContent;
  label.textContent = button.dataset.done;
  setTimeout(() => {
    label.textContent = label.dataset.before;
    delete label.dataset.before;
  }, 2000);
};

const showCopyButtons = (scope) => {
  if (!navigator.clipboard) return;
  for (const button of scope.querySelectorAll("[data-copy]")) button.hidden = false;
};

document.addEventListener("click", (event) => {
  const { target } = event;
  if (target.closest("[data-theme-toggle]")) toggleTheme();
  const copyButton = target.closest("[data-copy]");
  if (copyButton) copy(copyButton);
  const dialog = target.closest("dialog");
  if (!dialog) return;
  const close = target.closest("[data-close]");
  if (close) event.preventDefault();
  // A click on the dialog itself, outside of its content, is a click on the backdrop.
  if (close || target === dialog) dialog.close();
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-autosubmit]")) event.target.form.requestSubmit();
});

// A member in a queue presses twice: the second press must not send the form again.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sending) {
    event.preventDefault();
    event.stopPropagation();
    return;
  }
  if (form.matches("[data-once]")) form.dataset.sending = "1";
}, true);
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("[data-sending]")) delete form.dataset.sending;
});

const openSheet = (event) => {
  const sheet = document.getElementById("sheet");
  const target = (event.detail && event.detail.target) || event.target;
  if (sheet && target === sheet && sheet.childElementCount) {
    showCopyButtons(sheet);
    if (!sheet.open) sheet.showModal();
  }
};
// htmx 2 and htmx 4 name their events differently.
for (const name of ["htmx:afterSwap", "htmx:after:swap"]) document.addEventListener(name, openSheet);

// A whole page in the answer (a log-in form after the session ended) belongs in the window.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr } = event.detail;
  if (xhr && /^\s*<!doctype/i.test(xhr.responseText)) {
    event.detail.shouldSwap = false;
    location.assign(xhr.responseURL);
  }
});

// When the sheet cannot be fetched, the link is followed as if there were no script.
for (const name of ["htmx:responseError", "htmx:sendError"]) {
  document.addEventListener(name, (event) => {
    const element = event.detail.elt;
    if (element && element.matches("a[href]")) location.assign(element.href);
    else if (element && element.matches("form")) element.submit();
  });
}

systemDark.addEventListener("change", markThemeButtons);
markThemeButtons();
showCopyButtons(document);
