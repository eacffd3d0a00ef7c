//! The page and the schema of a scenario file, both from the types that read it.

use serde_json::Value;

use super::Page;
use super::table::{code, table};

pub(super) fn pages() -> Vec<Page> {
    let text = scenarios::scenario::schema_json();
    // The schema is ours: if it were no JSON, the page would be empty, and a test says so.
    let schema = serde_json::from_str(&text).unwrap_or_default();
    vec![
        steps(&schema),
        Page {
            path: "scenarios/schema/scenario.schema.json".to_owned(),
            text,
        },
    ]
}

fn steps(schema: &Value) -> Page {
    let mut body = String::from("## The file\n\n");
    body.push_str(&fields(schema, schema));
    for (title, name) in [
        ("`[actor.NAME]`", "Actor"),
        ("`[gateway]`", "GatewayPlan"),
        ("`[[gateway.on]]`", "On"),
    ] {
        body.push_str(&section(schema, title, definition(schema, name)));
    }
    body.push_str("\n## `[[step]]`\n\nExactly one verb each.\n\n");
    for verb in definition(schema, "Step")
        .get("oneOf")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        body.push_str(&verb_section(schema, verb));
    }
    for (title, name) in [
        ("`[[never]]`", "Never"),
        ("`[[count]]`", "Count"),
        ("`[[finally]]`", "Finally"),
    ] {
        body.push_str(&section(schema, title, definition(schema, name)));
    }
    Page::reference(
        "docs/reference/steps.md",
        "Scenario files",
        "Everything that a scenario file can say. Editors get the same from `scenarios/schema/scenario.schema.json`.",
        &body,
    )
}

fn verb_section(schema: &Value, verb: &Value) -> String {
    let Some((name, value)) = verb
        .get("properties")
        .and_then(Value::as_object)
        .and_then(|all| all.iter().next())
    else {
        return String::new();
    };
    let mut text = format!("### `{name}`\n\n{}\n\n", description(verb));
    let target = resolve(schema, value);
    let table = fields(schema, target);
    if table.is_empty() {
        text.extend([
            "Takes ",
            &kind(schema, value),
            ".

",
        ]);
    } else {
        text.push_str(&table);
        text.push('\n');
    }
    text
}

fn section(schema: &Value, title: &str, definition: &Value) -> String {
    let mut text = format!("\n## {title}\n\n{}\n\n", description(definition));
    let variants = definition.get("oneOf").and_then(Value::as_array);
    match variants {
        Some(variants) => {
            for variant in variants {
                text.extend([
                    description(variant),
                    "

",
                    &fields(schema, variant),
                    "
",
                ]);
            }
        }
        None => text.push_str(&fields(schema, definition)),
    }
    text
}

/// A table of an object's fields; empty for anything else.
fn fields(schema: &Value, object: &Value) -> String {
    let Some(properties) = object.get("properties").and_then(Value::as_object) else {
        return String::new();
    };
    let required = object.get("required").and_then(Value::as_array);
    let rows = properties.iter().map(|(name, field)| {
        let needed = required.is_some_and(|names| names.iter().any(|known| known == name));
        let about = match description(field) {
            "" if name == "kind" => "Which kind of actor.",
            "" => description(resolve(schema, field)),
            about => about,
        };
        let name = if needed {
            format!("{} (required)", code(name))
        } else {
            code(name)
        };
        [name, kind(schema, field), about.to_owned()]
    });
    table(["field", "takes", "meaning"], rows)
}

/// What a field takes, in words.
fn kind(schema: &Value, field: &Value) -> String {
    if let Some(constant) = field.get("const") {
        return code(&constant.to_string());
    }
    if let Some(any) = field.get("anyOf").and_then(Value::as_array) {
        let kinds = any
            .iter()
            .filter(|one| one.get("type").and_then(Value::as_str) != Some("null"));
        return kinds
            .map(|one| kind(schema, one))
            .collect::<Vec<_>>()
            .join(" or ");
    }
    if field.get("$ref").is_some() {
        return referred(schema, resolve(schema, field));
    }
    let types: Vec<&str> = match field.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names
            .iter()
            .filter_map(Value::as_str)
            .filter(|name| *name != "null")
            .collect(),
        _ => return "any value".to_owned(),
    };
    match types.as_slice() {
        ["array"] => {
            let item = field
                .get("items")
                .map_or_else(|| "values".to_owned(), |item| kind(schema, item));
            format!("list of {item}")
        }
        types => types.join(" or "),
    }
}

/// What a named definition is, in words: its words, or a table.
fn referred(schema: &Value, definition: &Value) -> String {
    let is_verb = |one: &Value| one.get("type").and_then(Value::as_str) == Some("object");
    let variants = definition
        .get("oneOf")
        .or_else(|| definition.get("anyOf"))
        .and_then(Value::as_array);
    if let Some(variants) = variants {
        if variants.iter().any(is_verb) {
            return "table of one of the forms below".to_owned();
        }
        return variants
            .iter()
            .map(|one| kind(schema, one))
            .collect::<Vec<_>>()
            .join(", ");
    }
    if let Some(words) = definition.get("enum").and_then(Value::as_array) {
        return words
            .iter()
            .map(|word| code(&word.to_string()))
            .collect::<Vec<_>>()
            .join(", ");
    }
    match definition.get("properties").and_then(Value::as_object) {
        Some(properties) => {
            let names: Vec<_> = properties.keys().map(|name| code(name)).collect();
            format!("table of {}", names.join(", "))
        }
        None => kind(schema, definition),
    }
}

fn definition<'a>(schema: &'a Value, name: &str) -> &'a Value {
    schema
        .pointer(&format!("/$defs/{name}"))
        .unwrap_or(&Value::Null)
}

/// The definition behind a `$ref`, or the value itself.
fn resolve<'a>(schema: &'a Value, value: &'a Value) -> &'a Value {
    let pointer = value
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|text| text.strip_prefix('#'));
    pointer
        .and_then(|pointer| schema.pointer(pointer))
        .unwrap_or(value)
}

fn description(value: &Value) -> &str {
    value
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_has_its_section() {
        let pages = pages();
        let page = pages.first().unwrap();
        for verb in [
            "start", "stop", "do", "send", "expect", "quiet", "fault", "heal", "elapse", "control",
            "note",
        ] {
            assert!(page.text.contains(&format!("### `{verb}`\n\n")), "{verb}");
        }
        assert!(
            page.text.contains("| `within` | "),
            "fields of a referred table are listed"
        );
    }
}
