// The main paths of the page in Firefox, as a person takes them: `node firefox.mjs <address> <path of Firefox>`.
//
// Each step prints its name; the first one that fails ends the program with its reason.

import puppeteer from "puppeteer-core";

const [address, executablePath] = process.argv.slice(2);
const PATIENCE_MS = 60000;
const browser = await puppeteer.launch({ browser: "firefox", executablePath, headless: true });
const complaints = [];

const say = (text, more = "") => `[[sim say=${Buffer.from(text).toString("base64")}${more}]]`;
const find = (name) => `[data-testid=${name}]`;

async function open(viewport) {
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  await page.setViewport(viewport);
  await page.goto(`${address}/`);
  await page.waitForSelector(`${find("engine-state")}[data-state=ready]`);
  return page;
}

const textOf = (page, selector) => page.$eval(selector, (node) => node.textContent);
const waitFor = (page, selector, text) => page.waitForFunction((wanted, part) => document.querySelector(wanted)?.textContent.includes(part), {}, selector, text);

async function send(page, text) {
  await page.$eval("#prompt", (area, value) => {
    area.value = value;
    area.dispatchEvent(new Event("input"));
  }, text);
  await page.focus("#prompt");
  await page.keyboard.press("Enter");
}

async function finished(page) {
  await page.waitForSelector(find("send"), { visible: true });
}

function check(isTrue, what) {
  if (!isTrue) throw new Error(what);
}

const STEPS = {
  async "a question is answered with formulas, a table and code"(page) {
    await send(page, say("Hm.\n</think>\n\n$x^2$ and \\[ \\frac{a}{b} \\]\n\n| a | b |\n|--|--|\n| 1 | 2 |\n\n```python\nprint(1)\n```\n\nDone."));
    await waitFor(page, find("answer"), "Done.");
    await finished(page);
    await page.waitForSelector(`${find("answer")} math msup`);
    await page.waitForSelector(`${find("answer")} .hl-built_in`);
    const tall = await page.$eval(`${find("answer")} mfrac`, (node) => node.getBoundingClientRect().height);
    check(tall > 20, `a fraction is set: ${tall}`);
    check((await page.$$(`${find("answer")} table`)).length === 1, "one table");
  },
  async "stop keeps what has come"(page) {
    await send(page, say(`</think>\n\n${"Slow words. ".repeat(60)}`, " rate=20"));
    await waitFor(page, find("answer"), "Slow words.");
    await page.click(find("stop"));
    await finished(page);
    check((await textOf(page, ".message.answer:last-child")).includes("Stopped by you."), "it says so");
  },
  async "an answer goes on in the background"(page) {
    await page.click(find("new-chat"));
    await send(page, say(`</think>\n\n${"Word. ".repeat(30)}The end.`, " rate=20"));
    await waitFor(page, find("answer"), "Word.");
    await page.click(find("new-chat"));
    await page.waitForSelector("[data-activity=unread]");
    await page.$eval("[data-activity=unread] .conversation", (button) => button.click());
    await waitFor(page, find("answer"), "The end.");
  },
  async "a reload finds the answer again"(page) {
    await page.click(find("new-chat"));
    await send(page, say(`</think>\n\n${"Again. ".repeat(30)}Whole.`, " rate=20"));
    await waitFor(page, find("answer"), "Again.");
    await page.reload();
    await waitFor(page, find("answer"), "Whole.");
    await finished(page);
  },
  async "another version of an answer"(page) {
    await page.$eval(".answer:last-child [data-label=regenerate]", (button) => button.click());
    await waitFor(page, find("branch"), "2/2");
    await finished(page);
  },
  async "the board panel and the other language"(page) {
    await page.click("[data-panel=board]");
    await page.waitForSelector(`${find("activity")} tbody tr`);
    await page.click(find("language"));
    await waitFor(page, "#panel-title", "开发板");
    await page.click("#panel-close");
    await page.click(find("language"));
  },
};

try {
  for (const viewport of [{ width: 1280, height: 800 }, { width: 390, height: 844 }]) {
    const page = await open(viewport);
    for (const [name, step] of Object.entries(STEPS)) {
      if (viewport.width < 600 && name.includes("background")) continue; // The list is a drawer there.
      await step(page);
      console.log(`${viewport.width}: ${name}`);
    }
    const [wide, inner] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    check(wide <= inner, `nothing sticks out: ${wide} > ${inner}`);
    await page.close();
  }
  check(!complaints.length, complaints.join("\n"));
} finally {
  await browser.close();
}
