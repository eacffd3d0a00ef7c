//! `config.get`, `config.set`, `config.patch`, `config.apply`: the gateway's file over the wire. Recorded from both releases;
//! flows config/*.

use std::time::Duration;

use gateway_protocol::{ErrorCode, ErrorShape, Now};
use serde_json::{Value, json};

use crate::config::document::{changed_paths, merge, printed, redacted, restored, shortened_lists};
use crate::config::json5::parse_as_told;
use crate::config::reload::Effect;
use crate::config::{ConfigError, ConfigProblem, from_openclaw_json};
use crate::gateway::Gateway;
use crate::json::Object;
use crate::method::{Call, invalid};
use crate::mutation::Mutation;
use crate::reload::PATH;
use crate::timers::Timer;

/// Between a write and the moment when the gateway takes notice of it: what both releases wait for further changes.
const DEBOUNCE: Duration = Duration::from_millis(300);

/// 2026.6.34: so many calls of `config.patch` and `config.apply` by one client.
const WRITES: u32 = 3;
/// In this time.
const WINDOW: Duration = Duration::from_mins(1);

impl Gateway {
    /// `None` for another family.
    pub(crate) fn call_config(
        &mut self,
        now: Now,
        call: &Call,
    ) -> Option<Result<Value, ErrorShape>> {
        Some(match call.method.as_str() {
            "config.get" => Ok(self.config_json()),
            "config.set" => self.config_set(now, call),
            "config.patch" => self.config_patch(now, call),
            "config.apply" => self.config_apply(now, call),
            _ => return None,
        })
    }

    /// Before the parameters are looked at, 2026.6.34 counts the call.
    pub(crate) fn config_budget(&mut self, now: Now, call: &Call) -> Result<(), ErrorShape> {
        let counted = ["config.patch", "config.apply"].contains(&call.method.as_str());
        if !counted || self.profile.rules.rich_hello {
            return Ok(());
        }
        let who = match &call.device {
            Some(device) => device.as_str().to_owned(),
            None => format!("connection {}", call.conn),
        };
        let at = now.since_start;
        let (began, count) = self.file.writes.entry(who).or_insert((at, 0));
        if at.saturating_sub(*began) >= WINDOW {
            (*began, *count) = (at, 0);
        }
        if *count < WRITES {
            *count += 1;
            return Ok(());
        }
        let left = (*began + WINDOW).saturating_sub(at);
        let left_ms = u64::try_from(left.as_millis()).unwrap_or_default();
        let message = format!(
            "rate limit exceeded for {}; retry after {}s",
            call.method,
            left_ms.div_ceil(1000)
        );
        let mut error = ErrorShape::new(ErrorCode::Unavailable, message)
            .with_details(json!({"method": call.method, "limit": "3 per 60s"}));
        error.retryable = Some(true);
        error.retry_after_ms = Some(left_ms);
        Err(error)
    }

    /// The file as far as this gateway has one; no secret in it.
    fn config_json(&self) -> Value {
        let newer = self.profile.rules.rich_hello;
        let file = self.shown_file();
        let applied = format!("hmac-sha256:v1:{}", self.boot.config_hash);
        let revision = if self.file.is_in_force() {
            applied.clone()
        } else {
            self.file_hash()
        };
        Object::new()
            .with("path", PATH)
            .when(newer, "includedPaths", json!([]))
            .when(newer, "includeProvenance", json!([]))
            .when(newer, "agentRosterIncludeOwned", false)
            .when(newer, "bindingsIncludeOwned", false)
            .with("exists", true)
            .with("raw", printed(&file))
            .with("parsed", file.clone())
            .with("sourceConfig", file.clone())
            .with("resolved", file.clone())
            .with("valid", true)
            .with("runtimeConfig", file.clone())
            .with("config", file)
            .with("hash", self.file_hash())
            .with("issues", json!([]))
            .with("warnings", json!([]))
            .with("legacyIssues", json!([]))
            .when(newer, "configRevisionHash", revision)
            .when(newer, "appliedConfigHash", applied)
            .build()
    }

    fn config_set(&mut self, now: Now, call: &Call) -> Result<Value, ErrorShape> {
        self.check_base(call, true)?;
        let file = self.whole_file(call)?;
        self.write(file)?;
        self.notice_later(now);
        Ok(self.written(Object::new().with("ok", true)).build())
    }

    fn config_apply(&mut self, now: Now, call: &Call) -> Result<Value, ErrorShape> {
        self.check_base(call, true)?;
        let file = self.whole_file(call)?;
        self.write_and_answer(now, call, file)
    }

    fn config_patch(&mut self, now: Now, call: &Call) -> Result<Value, ErrorShape> {
        self.check_base(call, !self.profile.rules.rich_hello)?;
        let patch = parsed(call.text("raw"))?;
        if !patch.is_object() {
            return Err(invalid("config.patch raw must be an object"));
        }
        let mut file = self.file.written.clone();
        merge(&mut file, &patch);
        let file = restored(file, &self.file.written);
        let meant: Vec<&str> = call
            .params
            .get("replacePaths")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mut lost = shortened_lists(&self.file.written, &patch);
        lost.retain(|path| !meant.contains(&path.as_str()));
        if !lost.is_empty() {
            return Err(invalid(&format!(
                "config.patch would remove entries from array path(s): {}. Pass replacePaths with the exact path(s) when \
                 this is intentional, or use config.apply for full-config replacement.",
                lost.join(", ")
            )));
        }
        if file == self.file.written {
            return Ok(Object::new()
                .with("ok", true)
                .with("noop", true)
                .when(self.profile.rules.rich_hello, "changedPaths", json!([]))
                .with("path", PATH)
                .with("config", redacted(&file))
                .build());
        }
        self.write_and_answer(now, call, file)
    }

    /// Writes the file, and says whether that restarts the gateway.
    fn write_and_answer(
        &mut self,
        now: Now,
        call: &Call,
        file: Value,
    ) -> Result<Value, ErrorShape> {
        let changed = changed_paths(&self.file.written, &file);
        let foreseen = self.foresee(&file);
        self.write(file)?;
        // The newer release answers when the change counts, and what would restart it afterwards.
        if self.profile.rules.rich_hello && foreseen.effect != Effect::Restart {
            self.reload(now, Some(call.conn));
        } else {
            self.notice_later(now);
        }
        let payload = json!({
            "kind": call.method.replace('.', "-"),
            "status": "ok",
            "ts": now.wall.0,
            "message": call.given("note"),
            "doctorHint": "Recommended follow-up: run openclaw doctor --non-interactive in a terminal or \
                           approvals-capable OpenClaw surface.",
            "stats": {
                "mode": call.method,
                "root": PATH,
                "requiresRestart": foreseen.effect == Effect::Restart,
            },
        });
        Ok(self
            .written(Object::new().with("ok", true))
            .when(
                self.profile.rules.rich_hello && call.method == "config.patch",
                "changedPaths",
                json!(changed),
            )
            .with("sentinel", json!({"persisted": true, "payload": payload}))
            .build())
    }

    /// Adds what every answer to a write says of the file.
    fn written(&self, answer: Object) -> Object {
        answer
            .with("path", PATH)
            .when(self.profile.rules.rich_hello, "hash", self.file_hash())
            .with("config", self.shown_file())
    }

    /// Whoever writes must have read what is there.
    fn check_base(&self, call: &Call, required: bool) -> Result<(), ErrorShape> {
        match call.given("baseHash") {
            None if required => Err(invalid(
                "config base hash required; re-run config.get and retry",
            )),
            Some(hash) if hash != self.file_hash() && !self.has(Mutation::ConfigBaseNotChecked) => {
                Err(invalid(
                    "config changed since last load; re-run config.get and retry",
                ))
            }
            None | Some(_) => Ok(()),
        }
    }

    fn whole_file(&self, call: &Call) -> Result<Value, ErrorShape> {
        let file = restored(parsed(call.text("raw"))?, &self.file.written);
        match from_openclaw_json(self.profile, &file) {
            Ok(_) => Ok(file),
            Err(error) => Err(refusal(&error, &file)),
        }
    }

    /// Writes a file that a client gave; it then bears the mark of the release.
    fn write(&mut self, mut file: Value) -> Result<(), ErrorShape> {
        from_openclaw_json(self.profile, &file).map_err(|error| refusal(&error, &file))?;
        let mark = json!({"meta": {"lastTouchedVersion": self.profile.version}});
        merge(&mut file, &mark);
        self.write_file(file.clone())
            .map_err(|error| refusal(&error, &file))
    }

    fn notice_later(&mut self, now: Now) {
        self.timers.set(now.since_start + DEBOUNCE, Timer::Reload);
    }
}

fn parsed(raw: &str) -> Result<Value, ErrorShape> {
    parse_as_told(raw).map_err(|problem| invalid(&problem))
}

/// A wrong file in the words of the real gateway.
fn refusal(error: &ConfigError, file: &Value) -> ErrorShape {
    let (path, message) = match &error.problem {
        ConfigProblem::UnknownKey { .. } => {
            let (parent, name) = error.path.rsplit_once('.').unwrap_or(("", &error.path));
            (parent, format!("Unrecognized key: \"{name}\""))
        }
        ConfigProblem::Value { expected, .. } => (
            error.path.as_str(),
            value_problem(&error.path, expected, file),
        ),
    };
    let mut issue = Object::new()
        .with("path", path)
        .with("message", message.as_str());
    if let Some(allowed) = allowed_values(error) {
        issue = issue
            .with("allowedValues", json!(allowed))
            .with("allowedValuesHiddenCount", 0);
    }
    let place = if path.is_empty() { "<root>" } else { path };
    invalid(&format!("invalid config: {place}: {message}"))
        .with_details(json!({"issues": [issue.build()]}))
}

const MODES: [&str; 4] = ["none", "token", "password", "trusted-proxy"];

/// Where only a few values fit, the real gateway lists them.
fn allowed_values(error: &ConfigError) -> Option<Vec<&'static str>> {
    match &error.problem {
        ConfigProblem::Value { expected, .. } if *expected == "true or false" => {
            Some(vec!["true", "false"])
        }
        ConfigProblem::Value { .. } if error.path == "gateway.auth.mode" => Some(MODES.to_vec()),
        ConfigProblem::Value { .. } | ConfigProblem::UnknownKey { .. } => None,
    }
}

fn value_problem(path: &str, expected: &str, file: &Value) -> String {
    if path == "gateway.auth.mode" {
        let allowed: Vec<String> = MODES.iter().map(|mode| format!("{mode:?}")).collect();
        return format!("Invalid input (allowed: {})", allowed.join(", "));
    }
    let pointer = format!("/{}", path.replace('.', "/"));
    let found = if path.is_empty() {
        Some(file)
    } else {
        file.pointer(&pointer)
    };
    let wanted = match expected {
        "an object" => "object",
        text if text.starts_with("a list") => "array",
        text if text.starts_with("a whole number") || text.starts_with("a number") => "number",
        "true or false" => "boolean",
        _ => return "Invalid input".to_owned(),
    };
    let received = found.map_or("undefined", |value| match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    });
    if wanted == received {
        return "Invalid input".to_owned();
    }
    let hint = if wanted == "boolean" {
        " (allowed: true, false)"
    } else {
        ""
    };
    format!("Invalid input: expected {wanted}, received {received}{hint}")
}
