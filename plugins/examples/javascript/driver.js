// A driver of Watchbell in JavaScript: one webhook in, alerts out.
//
// `jco` turns it into a component, on QuickJS: modern JavaScript, without `fetch`, `TextDecoder` and `console`.
import { log } from "watchbell:plugin/host-log@0.1.0";

/** The words that this sender has for how bad it is. */
const SEVERITIES = { crit: "critical", warn: "warning", info: "info" };

/** What the contract wants to hear about bytes that cannot be read: a result, never an exception. */
const invalid = (why) => ({ tag: "invalid-input", val: why });

export const driver = {
  metadata() {
    return {
      plugin: { name: "siren", version: "1.0.0", summary: "Webhooks of Siren", extra: "" },
      signatures: [],
      // How the hub knows this sender when the webhook does not say who it is from.
      shapes: [
        { name: "siren_v1", root: "object", headers: [], required: ["/check", "/state"], forbidden: [], equals: [{ key: "/via", value: "siren" }], priority: 500 },
      ],
      sample: bytes('{"via":"siren","check":"disk","host":"db-3","state":"crit","note":"4 % left"}'),
    };
  },

  parse(request, config) {
    const event = read(request.body);
    if (event.state === "hello") {
      return parsed({ tag: "nothing", val: "a greeting" });
    }
    const known = Object.hasOwn(SEVERITIES, event.state);
    if (!known && event.state !== "ok") {
      log("warn", `unknown state ${JSON.stringify(event.state)}`);
    }
    return parsed({
      tag: "alerts",
      val: [
        {
          name: text(event.check, "check"),
          status: event.state === "ok" ? "resolved" : "firing",
          rawStatus: String(event.state),
          severity: known ? SEVERITIES[event.state] : "unmapped",
          rawSeverity: String(event.state),
          description: String(event.note ?? ""),
          labels: [{ key: "host", value: text(event.host, "host") }],
          annotations: [],
          links: [],
          extra: "",
        },
      ],
    });
  },
};

/** The body as an object. Anybody may send anything. */
function read(body) {
  let event;
  try {
    event = JSON.parse(utf8(body));
  } catch (error) {
    throw invalid(`not JSON: ${error.message}`);
  }
  if (event === null || typeof event !== "object" || Array.isArray(event)) {
    throw invalid("not an object");
  }
  return event;
}

function text(value, field) {
  if (typeof value !== "string" || value === "") {
    throw invalid(`\`${field}\` is no text`);
  }
  return value;
}

function parsed(outcome) {
  return { outcome, groupKey: "", receiver: "", externalUrl: "", version: "", warnings: [] };
}

/** Bytes as text; QuickJS has no `TextDecoder`. Throws where they are not UTF-8. */
function utf8(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 4096) {
    text += String.fromCharCode.apply(null, bytes.subarray(at, at + 4096));
  }
  // One character for each byte so far, which is the text itself where it is ASCII.
  return /^[\x00-\x7f]*$/.test(text) ? text : decodeURIComponent(escape(text));
}

/** ASCII text as bytes. */
function bytes(ascii) {
  return Uint8Array.from(ascii, (character) => character.charCodeAt(0));
}
