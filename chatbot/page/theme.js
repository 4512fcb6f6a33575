// Light or dark as it was chosen, else as the system has it. Gradio asks for the latter alone, and its first paint too.
(() => {
  const query = "(prefers-color-scheme: dark)";
  const ask = window.matchMedia.bind(window);
  const system = ask(query);
  const chosen = () => {
    try {
      return localStorage.getItem("theme");
    } catch {  // a browser that keeps nothing
      return null;
    }
  };
  const isDark = () => ({ light: false, dark: true })[chosen()] ?? system.matches;
  const answer = Object.defineProperty(ask(query), "matches", { get: isDark });
  window.matchMedia = (asked) => (asked === query ? answer : ask(asked));
  window.chooseTheme = (choice) => {
    localStorage.setItem("theme", choice);
    document.body.classList.toggle("dark", isDark());
  };
  if (isDark() !== system.matches) {
    const [from, to] = isDark() ? ["-dark", ""] : ["", "-dark"];
    for (const name of ["--bg", "--col"]) document.documentElement.style.setProperty(name + to, `var(${name}${from})`);
  }
})();
