// This pack's graphs on the templates page, in the order of the numbers that their names begin
// with. The host lists files as its disk does, and the page shows them as the host lists them.

import { api } from "../../scripts/api.js";

// The host calls both the address of this file and the list of graphs by the folder of the pack.
const OWN = decodeURIComponent(new URL(import.meta.url).pathname.split("/").at(-2));
const { compare } = new Intl.Collator("en", { numeric: true });

/** The lists of all packs with ours in order; anything but a list of names stays as it is. */
function inOrder(lists) {
  const own = lists?.[OWN];
  if (!Array.isArray(own) || !own.every((name) => typeof name === "string")) return lists;
  return { ...lists, [OWN]: [...own].sort(compare) };
}

const askHost = api.getWorkflowTemplates;
if (typeof askHost === "function") {
  api.getWorkflowTemplates = async function (...options) {
    return inOrder(await askHost.apply(this, options));
  };
}
