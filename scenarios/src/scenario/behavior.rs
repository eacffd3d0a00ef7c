//! From the scenario's words for behaviours to the gateway's: `[[gateway.on]]` and what `[[gateway.connection]]` can say
//! without a fault of the wire.

use gateway_core::{Behavior, Reply};
use serde_json::{Map, Value, json};

use super::gateway::{ClosePlan, ConnectionPlan, HttpPlan, On, ScriptLine};
use super::lower::{LowerError, millis, read};

/// The name of the n-th nameless `[[gateway.on]]`, from 0.
pub fn on_name(index: usize) -> String {
    format!("on-{}", index + 1)
}

/// The name of the n-th nameless `[[gateway.connection]]`, from 0.
pub fn plan_name(index: usize) -> String {
    format!("connection-{}", index + 1)
}

/// A behaviour; `fallback` names one that has no name.
///
/// # Errors
/// What it says that makes no sense, in the gateway's words.
pub fn behavior(on: &On, fallback: &str) -> Result<Behavior, LowerError> {
    let name = on.name.clone().unwrap_or_else(|| fallback.to_owned());
    let parts = parts(on);
    if parts.is_empty() {
        return Err(wrong(&name, "it says when, but not what to do".to_owned()));
    }
    let reply: Reply = read(
        &format!("what behaviour {name:?} does"),
        delayed(on.delay.map(millis), whole(parts)),
    )?;
    let when = read(&format!("when behaviour {name:?} applies"), when(on))?;
    let behavior = Behavior {
        name,
        when,
        reply,
        times: on.times.unwrap_or_default(),
        priority: on.priority.unwrap_or(5),
        optional: on.optional,
        capture: on.capture.clone(),
    };
    checked(behavior)
}

/// What a connection plan without a fault asks of the gateway; none for one with a fault.
///
/// # Errors
/// What it says that makes no sense.
pub fn planned(plan: &ConnectionPlan, fallback: &str) -> Result<Option<Behavior>, LowerError> {
    if plan.fault.is_some() {
        return Ok(None);
    }
    let name = plan.name.clone().unwrap_or_else(|| fallback.to_owned());
    let knows_client = plan.role.is_some() || plan.client.is_some();
    let when = when_planned(plan, knows_client);
    let after = plan.after.map(millis);
    let reply = if let Some(http) = &plan.refuse {
        http_reply(http)
    } else if let Some(hold) = plan.hold {
        if knows_client {
            delayed(Some(millis(hold)), json!("pass"))
        } else {
            json!({ "challenge": { "delay_ms": millis(hold) } })
        }
    } else if let Some(close) = &plan.close {
        with_pass(after, close_reply(close))
    } else if plan.abort {
        with_pass(after, json!("abort"))
    } else {
        script(&plan.frames)
    };
    let what = format!("what connection plan {name:?} does");
    let behavior = Behavior {
        when: read(&format!("which connections plan {name:?} takes"), when)?,
        reply: read(&what, reply)?,
        times: gateway_core::Times::default(),
        priority: 5,
        optional: plan.optional,
        capture: std::collections::BTreeMap::new(),
        name,
    };
    checked(behavior).map(Some)
}

/// When a plan applies: as early as what it says of the client is known.
fn when_planned(plan: &ConnectionPlan, knows_client: bool) -> Value {
    let mut when = Map::new();
    let (name, trigger) = if plan.refuse.is_some() {
        ("on", "upgrade")
    } else if knows_client {
        ("method", "connect")
    } else {
        ("on", "open")
    };
    when.insert(name.to_owned(), json!(trigger));
    when.insert("conn".to_owned(), json!(plan.pick()));
    if let Some(role) = plan.role {
        when.insert("role".to_owned(), json!(role.name()));
    }
    if let Some(client) = &plan.client {
        when.insert("client".to_owned(), json!(client));
    }
    Value::Object(when)
}

fn checked(behavior: Behavior) -> Result<Behavior, LowerError> {
    match behavior.check() {
        Ok(()) => Ok(behavior),
        Err(why) => Err(wrong(&behavior.name, why.replace("`conn`", "`connection`"))),
    }
}

fn wrong(name: &str, why: String) -> LowerError {
    LowerError {
        what: format!("behaviour {name:?}"),
        why,
    }
}

fn when(on: &On) -> Value {
    let mut when = Map::new();
    if on.open {
        when.insert("on".to_owned(), json!("open"));
    }
    if on.upgrade {
        when.insert("on".to_owned(), json!("upgrade"));
    }
    let texts = [
        ("method", on.method.as_deref()),
        ("role", on.role.map(super::pattern::RoleName::name)),
        ("client", on.client.as_deref()),
        ("mode", on.mode.as_deref()),
        ("device", on.device.as_deref()),
        ("after", on.after.as_deref()),
        ("before", on.before.as_deref()),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            when.insert(name.to_owned(), json!(text));
        }
    }
    if let Some(connection) = &on.connection {
        when.insert("conn".to_owned(), json!(connection));
    }
    if let Some(nth) = on.nth {
        when.insert("nth".to_owned(), json!(nth));
    }
    if let Some(params) = &on.params {
        when.insert("params".to_owned(), params.clone());
    }
    Value::Object(when)
}

fn parts(on: &On) -> Vec<Value> {
    let mut parts = Vec::new();
    if let Some(challenge) = &on.challenge {
        parts.push(json!({ "challenge": {
            "skip": challenge.skip,
            "delay_ms": challenge.delay.map(millis),
            "ts_offset_ms": challenge.ts_offset.map(|offset| offset.millis),
            "nonce": challenge.nonce,
            "payload": challenge.payload,
            "json_patch": challenge.json_patch,
        }}));
    }
    if !on.events.is_empty() {
        parts.push(json!({ "events": on.events }));
    }
    let values = [
        ("raw", on.raw.as_ref().map(|raw| json!(raw))),
        ("bytes", on.bytes.as_ref().map(|bytes| json!(bytes))),
        ("respond", on.respond.clone()),
        ("error", on.error.clone()),
        ("patch", on.patch.clone()),
        ("json_patch", on.json_patch.clone()),
    ];
    for (name, value) in values {
        if let Some(value) = value {
            parts.push(json!({ name: value }));
        }
    }
    if let Some(http) = &on.http {
        parts.push(http_reply(http));
    }
    if on.ignore {
        parts.push(json!("ignore"));
    }
    if on.pass {
        parts.push(json!("pass"));
    }
    if let Some(close) = &on.close {
        parts.push(close_reply(close));
    }
    if on.abort {
        parts.push(json!("abort"));
    }
    parts
}

fn close_reply(close: &ClosePlan) -> Value {
    json!({ "close": { "code": close.code, "reason": close.reason } })
}

fn http_reply(http: &HttpPlan) -> Value {
    json!({ "http": {
        "status": http.status,
        "retry_after_s": http.retry_after.map(|lapse| lapse.0.as_secs()),
        "location": http.location,
        "body": http.body,
    }})
}

fn whole(parts: Vec<Value>) -> Value {
    match <[Value; 1]>::try_from(parts) {
        Ok([only]) => only,
        Err(parts) => json!({ "sequence": parts }),
    }
}

fn delayed(ms: Option<u64>, then: Value) -> Value {
    match ms {
        Some(ms) => json!({ "delay": { "ms": ms, "then": then } }),
        None => then,
    }
}

/// At once, or later while the connection is served as usual until then.
fn with_pass(ms: Option<u64>, then: Value) -> Value {
    match ms {
        Some(_) => json!({ "sequence": ["pass", delayed(ms, then)] }),
        None => then,
    }
}

/// Lines with the time of each counted from the first.
fn script(lines: &[ScriptLine]) -> Value {
    let mut at = 0;
    let mut parts = vec![json!("ignore")];
    for line in lines {
        at += line.after.map_or(0, millis);
        let said = if let Some(frame) = &line.frame {
            json!({ "raw": frame.to_string() })
        } else if let Some(event) = &line.event {
            json!({ "events": [{ "event": event, "payload": line.payload }] })
        } else if let Some(bytes) = &line.bytes {
            json!({ "bytes": bytes })
        } else {
            json!({ "raw": line.text.clone().unwrap_or_default() })
        };
        parts.push(delayed((at > 0).then_some(at), said));
    }
    json!({ "sequence": parts })
}
