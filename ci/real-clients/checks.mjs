// Named checks: each runs, is printed, and is counted; what programs said is kept without secrets.

import { writeFileSync } from "node:fs";
import { join } from "node:path";

/** Fails the check that is running unless `condition` holds. */
export function expect(condition, what) {
  if (!condition) throw new Error(`expected: ${what}`);
}

export class Checks {
  #folder;
  #secrets;
  #results = [];

  constructor(folder, secrets) {
    this.#folder = folder;
    this.#secrets = secrets;
  }

  /** Runs one check. A failure is recorded, not thrown, so that the others still run. */
  async run(name, body) {
    const startedAt = performance.now();
    let problem = null;
    try {
      await body();
    } catch (error) {
      problem = this.#redact(error.message);
    }
    const ms = Math.round(performance.now() - startedAt);
    this.#results.push({ name, passed: problem === null, ms, problem });
    console.log(`${problem === null ? "ok    " : "FAILED"} ${name} (${ms} ms)${problem ? `\n       ${problem}` : ""}`);
  }

  /** Keeps what a program said, as evidence. */
  keep(name, text) {
    writeFileSync(join(this.#folder, `${name}.txt`), this.#redact(text));
  }

  get passed() {
    return this.#results.filter((result) => result.passed).length;
  }

  get failed() {
    return this.#results.length - this.passed;
  }

  line() {
    return `${this.passed} passed, ${this.failed} failed, 0 skipped`;
  }

  toJson() {
    return `${JSON.stringify(this.#results, null, 2)}\n`;
  }

  #redact(text) {
    return this.#secrets.reduce((kept, secret) => kept.replaceAll(secret, "<shared-token:1>"), text);
  }
}
