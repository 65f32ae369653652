// Splits answers as the page does: reads [[piece, ...], ...] from standard input, writes {kind: text} for each.

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const { ThinkSplitter } = await import(pathToFileURL(process.argv[2]).href);

function split(pieces) {
  const splitter = new ThinkSplitter();
  const parts = { reasoning: "", content: "" };
  for (const [kind, text] of [...pieces.flatMap((piece) => splitter.push(piece)), ...splitter.end()]) parts[kind] += text;
  return parts;
}

process.stdout.write(JSON.stringify(JSON.parse(readFileSync(0, "utf-8")).map(split)));
