// Shows what /openapi.json says, and sends requests for whoever tries them. All text goes to the page as text.
"use strict";

const byId = (id) => document.getElementById(id);

const element = (name, properties, ...children) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children.flat().filter((child) => child != null));
  return made;
};

// Prose, with what stands between backticks as code.
const prose = (text) =>
  text.split("`").map((part, at) => (at % 2 ? element("code", {}, part) : part));

const paragraphs = (text) =>
  text.split(/\n\s*\n/).filter((part) => part.trim()).map((part) => element("p", {}, prose(part)));

const pretty = (value) => JSON.stringify(value, null, 2);

let description;

// The path below which the service is reached: empty, unless it shares its host.
const base = document.body.dataset.base;

// What a reference stands for, with what is said beside it.
const resolved = (value) => {
  if (!value?.$ref) return value;
  const { $ref, ...beside } = value;
  const path = $ref.split("/").slice(1);
  return { ...resolved(path.reduce((at, name) => at[name], description)), ...beside };
};

const isAbsence = (choice) =>
  choice.type === "null" || (choice.enum?.every((word) => !word) ?? false);

// A schema without the ways to say that there is nothing.
const known = (schema) => {
  const found = resolved(schema) ?? {};
  const choices = found.anyOf?.filter((choice) => !isAbsence(choice));
  if (choices?.length === 1) {
    const { anyOf, ...beside } = found;
    return { ...known(choices[0]), ...beside };
  }
  if (Array.isArray(found.type)) {
    return { ...found, type: found.type.filter((type) => type !== "null").join(" or ") };
  }
  return found;
};

const typeName = (schema) => {
  const { type, format, items, additionalProperties, oneOf, enum: words } = known(schema);
  if (oneOf) return oneOf.map(typeName).join(" or ");
  if (words) return words.filter(Boolean).map((word) => JSON.stringify(word)).join(" | ");
  if (items) return `list of ${typeName(items)}`;
  if (typeof additionalProperties === "object") return `map to ${typeName(additionalProperties)}`;
  return [type ?? "anything", format && `(${format})`].filter(Boolean).join(" ");
};

// What people can read of them: a pattern is for programs, and its rule is in the description.
const limits = (schema) => {
  const { minLength, maxLength, minimum, maximum } = known(schema);
  return [
    minLength > 1 && `at least ${minLength} characters`,
    maxLength !== undefined && `at most ${maxLength} characters`,
    minimum !== undefined && `at least ${minimum}`,
    maximum !== undefined && `at most ${maximum}`,
  ].filter(Boolean).join(", ");
};

// The fields of an object, of the items of a list, or of what may be either.
const fields = (schema, depth = 0) => {
  const { properties, required = [], items, additionalProperties, oneOf } = known(schema);
  if (depth > 5) return [];
  if (items) return fields(items, depth + 1);
  if (oneOf) return oneOf.flatMap((choice) => fields(choice, depth + 1));
  if (typeof additionalProperties === "object") return fields(additionalProperties, depth + 1);
  if (!properties) return [];
  const rows = Object.entries(properties).map(([name, property]) =>
    element("li", {},
      element("code", {}, name), " ",
      element("span", { className: "type" }, typeName(property)),
      required.includes(name) ? element("span", { className: "required" }, " required") : null,
      element("p", { className: "faint" },
        prose([known(property).description, limits(property)].filter(Boolean).join(" \u00b7 "))),
      fields(property, depth + 1)));
  return [element("ul", { className: "fields" }, rows)];
};

const body = (content) =>
  Object.entries(content ?? {}).flatMap(([type, { schema, example }]) => [
    element("p", { className: "faint" }, type, schema ? `: ${typeName(schema)}` : ""),
    fields(schema),
    example === undefined ? null : element("pre", {}, pretty(example)),
  ]);

const answers = (operation) =>
  Object.entries(operation.responses).map(([status, written]) => {
    const answer = resolved(written);
    return element("details", {},
      element("summary", {},
        element("span", { className: "status" }, status),
        element("span", {}, prose(answer.description))),
      element("div", { className: "inside" }, body(answer.content)));
  });

const cookie = (name) =>
  document.cookie.split("; ").find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1);

// With the token that was typed in; without one, as whoever is signed in with this browser.
const send = (method, address, text) => {
  const token = byId("token").value.trim();
  const headers = {};
  const proof = cookie("csrf_token") ?? cookie("__Host-csrf_token");
  if (token) headers["Coder-Session-Token"] = token;
  else if (proof) headers["X-CSRF-TOKEN"] = proof;
  if (text !== undefined) headers["Content-Type"] = "application/json";
  const credentials = token ? "omit" : "same-origin";
  return fetch(address, { method: method.toUpperCase(), headers, body: text, credentials, redirect: "manual" });
};

const shown = async (answer) => {
  const text = await answer.text();
  let content = text;
  try { content = pretty(JSON.parse(text)); } catch { /* It is no JSON: it is shown as it is. */ }
  const headers = [...answer.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
  return `${answer.status || "A redirect"} ${answer.statusText}\n${headers}\n\n${content}`;
};

const attempt = (path, method, operation) => {
  const parameters = (operation.parameters ?? []).map(resolved);
  const inputs = parameters.map((parameter) => {
    const field = element("input", { value: parameter.in === "path" ? parameter.example ?? "" : "", placeholder: parameter.example ?? "" });
    return { ...parameter, field };
  });
  const example = operation.requestBody?.content?.["application/json"]?.example;
  const text = example && element("textarea", { value: pretty(example), rows: 12, spellcheck: false });
  const result = element("pre", { hidden: true });
  result.setAttribute("aria-live", "polite");
  const address = () => {
    const query = new URLSearchParams();
    let filled = base + path;
    for (const { name, in: place, field } of inputs) {
      if (place === "path") filled = filled.replace(`{${name}}`, encodeURIComponent(field.value));
      else if (place === "query" && field.value) query.set(name, field.value);
    }
    return query.size ? `${filled}?${query}` : filled;
  };
  const run = async () => {
    result.hidden = false;
    result.textContent = "Sent.";
    try {
      result.textContent = await shown(await send(method, address(), text?.value));
    } catch (error) {
      result.textContent = `There was no answer: ${error.message}`;
    }
  };
  return [
    inputs.map(({ name, required, description: about, schema, field }) =>
      element("p", {},
        element("label", {}, element("code", {}, name), " ",
          element("span", { className: "type" }, typeName(schema)),
          required ? element("span", { className: "required" }, " required") : null,
          element("span", { className: "faint" }, " ", prose(about ?? "")), field))),
    text ? element("label", {}, "Body", text) : null,
    element("button", { type: "button", onclick: run }, "Send"),
    result,
  ];
};

const card = (path, method, operation) => {
  const inside = element("div", { className: "inside" });
  const made = element("details", { id: operation.operationId },
    element("summary", {},
      element("span", { className: `method ${method}` }, method),
      element("span", { className: "path" }, path),
      operation.security?.length === 0 ? element("span", { className: "faint" }, "no token needed") : null,
      element("span", { className: "title" }, prose(operation.summary ?? ""))),
    inside);
  // Most are never opened.
  made.addEventListener("toggle", () => {
    inside.append(
      ...paragraphs(operation.description ?? ""),
      element("h3", {}, "Request"),
      ...attempt(path, method, operation).flat().filter(Boolean),
      ...(operation.requestBody ? [element("h3", {}, "Its body"), ...fields(operation.requestBody.content["application/json"].schema)] : []),
      element("h3", {}, "Answers"),
      ...answers(operation));
  }, { once: true });
  return made;
};

const entry = (path, method, operation) =>
  element("li", {},
    element("a", { href: `#${operation.operationId}` },
      element("span", { className: `method ${method}` }, method), path.replace("/api/v2", "") || "/"));

const openNamed = () => {
  const named = byId(decodeURIComponent(location.hash.slice(1)));
  if (named?.tagName === "DETAILS") {
    named.open = true;
    named.scrollIntoView();
  }
};

const filter = () => {
  const words = byId("filter").value.toLowerCase().split(/\s+/);
  for (const item of byId("index").querySelectorAll("li")) {
    item.hidden = !words.every((word) => item.dataset.text.includes(word));
  }
};

const show = (found) => {
  description = found;
  byId("about").append(...paragraphs(found.info.description));
  for (const { name, description: about } of found.tags) {
    const index = element("ul", {});
    const cards = [];
    for (const [path, operations] of Object.entries(found.paths)) {
      for (const [method, operation] of Object.entries(operations)) {
        if (!operation.tags.includes(name)) continue;
        const item = entry(path, method, operation);
        item.dataset.text = `${method} ${path} ${operation.summary} ${name}`.toLowerCase();
        index.append(item);
        cards.push(card(path, method, operation));
      }
    }
    if (!cards.length) continue;
    byId("index").append(element("h3", {}, name), index);
    byId("operations").append(element("h2", {}, name), element("p", {}, about), ...cards);
  }
  byId("filter").addEventListener("input", filter);
  addEventListener("hashchange", openNamed);
  openNamed();
};

fetch(`${base}/openapi.json`)
  .then((answer) => answer.json())
  .then(show)
  .catch((error) => byId("about").append(`The description could not be loaded: ${error.message}`));
