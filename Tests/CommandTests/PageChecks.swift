/// Checks of a page for those who cannot see it, or not well (WCAG 2.2), written by hand.
enum PageChecks {
  /// The body of a function that returns what is wrong, one line each.
  static let script = """
    const problems = [];
    const say = (problem, element) => problems.push(`${problem}: ${element.outerHTML.slice(0, 120)}`);
    const isShown = (element) => element.checkVisibility() && element.getClientRects().length > 0;

    function nameOf(element) {
      const by = element.getAttribute("aria-labelledby");
      if (by) return by.split(" ").map((id) => document.getElementById(id)?.textContent ?? "").join(" ").trim();
      const label = element.getAttribute("aria-label");
      if (label) return label.trim();
      if (element.labels?.length) return [...element.labels].map((label) => label.textContent).join(" ").trim();
      return element.textContent.trim();
    }

    // 1.3.1, 4.1.2: every control, table region and picture has a name, and a role that says what it is.
    for (const element of document.querySelectorAll(
      "a, button, input, select, textarea, canvas, section, [role=region], [role=group]")) {
      if (!nameOf(element)) say("no name", element);
    }
    for (const element of document.querySelectorAll("canvas")) {
      if (element.getAttribute("role") !== "img") say("a picture without the role", element);
    }
    for (const element of document.querySelectorAll('[tabindex="0"]')) {
      if (!element.getAttribute("role")) say("a stop of the keyboard without a role", element);
    }
    const names = [...document.querySelectorAll("button")].map(nameOf);
    for (const name of new Set(names)) {
      if (names.filter((other) => other === name).length > 1) problems.push(`two buttons are "${name}"`);
    }
    if (!document.documentElement.lang) problems.push("the page has no language");
    if (document.querySelectorAll("h1").length !== 1) problems.push("not one first heading");
    if (document.querySelectorAll("main").length !== 1) problems.push("not one main part");
    let level = 1;
    for (const heading of document.querySelectorAll("h1, h2, h3, h4")) {
      const next = Number(heading.tagName[1]);
      if (next > level + 1) say("a heading of a level that is left out", heading);
      level = next;
    }
    for (const head of document.querySelectorAll("th")) if (!head.scope) say("a head without scope", head);
    const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
    if (new Set(ids).size !== ids.length) problems.push("an id stands twice");
    if (!document.querySelector("[aria-live=polite]")) problems.push("nothing is told as it happens");

    // 1.4.3: the contrast of each text with what is behind it.
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    function rgb(color) {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = color;
      canvas.fillRect(0, 0, 1, 1);
      return [...canvas.getImageData(0, 0, 1, 1).data];
    }
    function luminance([red, green, blue]) {
      const linear = [red, green, blue].map((value) => value / 255)
        .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
      return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
    }
    function behind(element) {
      for (let at = element; at; at = at.parentElement) {
        const color = rgb(getComputedStyle(at).backgroundColor);
        if (color[3] === 255) return color;
      }
      return rgb(getComputedStyle(document.documentElement).colorScheme.includes("dark")
        && matchMedia("(prefers-color-scheme: dark)").matches ? "black" : "white");
    }
    for (const element of document.body.querySelectorAll("*")) {
      const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
      if (!isShown(element) || !(hasText || element.matches("input, textarea, select"))) continue;
      if (element.matches(".hidden, .skip, option, script, style") || element.disabled) continue;
      const style = getComputedStyle(element);
      const [a, b] = [luminance(rgb(style.color)), luminance(behind(element))].sort((a, b) => b - a);
      const ratio = (a + 0.05) / (b + 0.05);
      const isLarge = parseFloat(style.fontSize) >= 24;
      if (ratio < (isLarge ? 3 : 4.5)) say(`contrast ${ratio.toFixed(2)}`, element);
    }

    // 1.4.10: nothing is outside the screen; 2.5.8: targets are large enough.
    const root = document.documentElement;
    if (root.scrollWidth > root.clientWidth) problems.push(`${root.scrollWidth} pixels wide on ${root.clientWidth}`);
    for (const button of document.querySelectorAll("button")) {
      const box = button.getBoundingClientRect();
      if (isShown(button) && (box.width < 24 || box.height < 24)) say("too small", button);
    }
    return problems;
    """
}
