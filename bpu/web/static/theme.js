// Sets the chosen theme before the first paint; a classic script, so that the page never flashes in the other one.
try {
  const theme = JSON.parse(localStorage.getItem("bpu.theme"));
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // No storage: the system's theme it is.
}
