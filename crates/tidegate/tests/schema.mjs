// Checks YAML files against a JSON Schema with ajv, as the editors do that are built on it. Called by schema.rs.
//
// usage: schema.mjs MODULES SCHEMA FILE...               prints a line for each: `fine`, or where and why it is not
//        schema.mjs MODULES SCHEMA --changed FILE FOLDER  writes the file to the folder as 0.json, 1.json, ..., with
//                                                        one thing in it changed in each; prints for each what has
//                                                        become of what, a tab, and `fine` or where and why it is not

import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const [modules, schemaPath, ...rest] = process.argv.slice(2);
const require = createRequire(modules + "/");
const { Ajv2020 } = require("ajv/dist/2020.js");
const yaml = require("yaml");

// `strict` refuses keywords that nobody knows and schemas that contradict themselves.
const ajv = new Ajv2020({ strict: true, allowUnionTypes: true });
const validate = ajv.compile(JSON.parse(readFileSync(schemaPath, "utf8")));

function verdict(value) {
  if (validate(value)) return "fine";
  const [first] = validate.errors;
  return `${first.instancePath} ${first.message}`;
}

// What anything may be changed to, and after that what depends on what it was.
const OTHERS = ["x", "/x", 7, 0, "7", true, "true", null, [], {}];

function changes(value) {
  const others = [...OTHERS, [value]];
  if (Array.isArray(value) && value.length > 0) others.push(value[0]);
  if (value && typeof value === "object" && !Array.isArray(value)) {
    others.push({ ...value, surprise: 1 });
    for (const key of Object.keys(value)) {
      const { [key]: _, ...less } = value;
      others.push(less);
    }
  }
  return others.filter((other) => JSON.stringify(other) !== JSON.stringify(value));
}

// Every document that differs from `whole` in one place, with the way to that place.
function* changed(value, way, rebuild) {
  for (const other of changes(value)) yield [way, other, rebuild(other)];
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      yield* changed(item, `${way}/${index}`, (other) => rebuild(value.map((old, at) => (at === index ? other : old))));
    }
  } else if (value && typeof value === "object") {
    for (const [key, item] of Object.entries(value)) {
      yield* changed(item, `${way}/${key}`, (other) => rebuild({ ...value, [key]: other }));
    }
  }
}

if (rest[0] === "--changed") {
  const [, file, folder] = rest;
  const whole = yaml.parse(readFileSync(file, "utf8"));
  let number = 0;
  for (const [way, other, document] of changed(whole, "", (other) => other)) {
    writeFileSync(`${folder}/${number}.json`, JSON.stringify(document));
    console.log(`${way} = ${JSON.stringify(other)}\t${verdict(document)}`);
    number += 1;
  }
} else {
  for (const path of rest) {
    let said;
    try {
      said = verdict(yaml.parse(readFileSync(path, "utf8"), { logLevel: "error" }));
    } catch (error) {
      said = `no YAML: ${error.code ?? error.name}`;
    }
    console.log(said);
  }
}
