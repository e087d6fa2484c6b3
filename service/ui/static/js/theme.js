// Light or dark: by the reader's system until the reader chooses. Runs before the page is drawn, so nothing flashes.
(() => {
  const root = document.documentElement, key = "selfwatch-theme";
  const chosen = () => { try { return localStorage.getItem(key); } catch { return null; } };
  const show = (theme) => { if (theme) root.dataset.theme = theme; else delete root.dataset.theme; };
  const dark = () => (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  show(chosen());
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("#theme")) return;
    const theme = dark() ? "light" : "dark";
    show(theme);
    try { localStorage.setItem(key, theme); } catch { /* a private window keeps it for this page */ }
  });
})();
