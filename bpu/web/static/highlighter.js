// Colours for code: the library highlight.js says what each word is, and the style sheet gives it a colour.
// The library and each language are fetched when the first block of that language comes.

const MAX_CODE_LENGTH = 30000;
const ALIASES = {
  py: "python", python3: "python", "c++": "cpp", cc: "cpp", cxx: "cpp", h: "c", hpp: "cpp", arduino: "cpp", cuda: "cpp", sh: "bash", shell: "bash",
  zsh: "bash", console: "bash", terminal: "bash", js: "javascript", jsx: "javascript", ts: "javascript", typescript: "javascript", mjs: "javascript",
  node: "javascript", yml: "yaml", html: "xml", svg: "xml", xhtml: "xml", vue: "xml", toml: "ini", conf: "ini", cfg: "ini", properties: "ini", jsonc: "json",
  json5: "json", rs: "rust", golang: "go", make: "makefile", mk: "makefile", docker: "dockerfile", patch: "diff", mysql: "sql", postgresql: "sql", sqlite: "sql",
};
const LANGUAGES = new Set([
  "bash", "c", "cmake", "cpp", "css", "diff", "dockerfile", "go", "ini", "java", "javascript", "json", "makefile", "python", "rust", "sql", "xml", "yaml",
]);

const loadedLanguages = new Map();
let library = null;

/** Colours the text of `code`, an element, as `language`; at once when the language is there, else when it has come. */
export function highlight(code, language) {
  const name = language.toLowerCase();
  const wanted = Object.hasOwn(ALIASES, name) ? ALIASES[name] : name;
  const text = code.textContent;
  // A block without text may have half of its language's name: "c" is the beginning of "cpp".
  if (!text || !LANGUAGES.has(wanted) || text.length > MAX_CODE_LENGTH) return;
  if (loadedLanguages.get(wanted) === true) colour(code, text, wanted);
  else load(wanted).then(() => loadedLanguages.get(wanted) === true && colour(code, text, wanted));
}

function load(name) {
  if (!loadedLanguages.has(name)) loadedLanguages.set(name, fetchLanguage(name));
  return Promise.resolve(loadedLanguages.get(name));
}

async function fetchLanguage(name) {
  try {
    const [{ default: core }, { default: grammar }] = await Promise.all([import("./vendor/highlight.js"), import(`./vendor/highlight/${name}.js`)]);
    library ??= configure(core);
    library.registerLanguage(name, grammar);
    loadedLanguages.set(name, true);
  } catch {
    loadedLanguages.delete(name); // Plain code can be read too; the next block tries again.
  }
}

function configure(core) {
  core.configure({ __emitter: NodeEmitter });
  return core;
}

function colour(code, text, name) {
  if (code.textContent !== text) return; // It has grown while the language came, and is coloured with the next line.
  const { _emitter: emitter } = library.highlight(text, { language: name, ignoreIllegals: true });
  code.replaceChildren(emitter.root);
}

/** Takes highlight.js's stream of scopes and text, and builds nodes of it: no HTML is written or parsed. */
class NodeEmitter {
  root = document.createDocumentFragment();
  open = [this.root];

  addText(text) {
    if (text) this.open.at(-1).append(text);
  }

  startScope(scope) {
    const node = document.createElement("span");
    node.className = scope.split(".").map((part, index) => (index ? `${part}_` : `hl-${part}`)).join(" ");
    this.open.at(-1).append(node);
    this.open.push(node);
  }

  endScope() {
    this.open.pop();
  }

  openNode(scope) {
    this.startScope(scope);
  }

  closeNode() {
    this.endScope();
  }

  __addSublanguage(emitter) {
    this.open.at(-1).append(emitter.root);
  }

  finalize() {}

  toHTML() {
    return "";
  }
}
