// Runs before the page is drawn, so that a chosen theme never flashes. Without this file the page follows the system.
"use strict";
(() => {
  const themes = ["system", "light", "dark"];
  const root = document.documentElement;

  const remembered = () => {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null; // storage may be forbidden
    }
  };

  const remember = (theme) => {
    try {
      localStorage.setItem("theme", theme);
    } catch {
      // the choice then lasts for this page
    }
  };

  const show = (theme) => {
    root.dataset.theme = themes.includes(theme) ? theme : "system";
    for (const button of document.querySelectorAll("[data-theme-switch]")) {
      button.title = `Theme: ${root.dataset.theme}`;
      button.setAttribute("aria-label", `Theme: ${root.dataset.theme}. Change it`);
    }
  };

  show(remembered());
  document.addEventListener("DOMContentLoaded", () => show(remembered() ?? root.dataset.theme));
  window.addEventListener("storage", (event) => event.key === "theme" && show(event.newValue));
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-switch]")) return;
    const next = themes[(themes.indexOf(root.dataset.theme) + 1) % themes.length];
    remember(next);
    show(next);
  });
})();
