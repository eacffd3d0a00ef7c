//! `openclaw devices` and `openclaw nodes`.

use serde_json::{Value, json};

use super::super::control::Control;
use super::super::{Failed, Said};

/// The id of a pending request, under whichever name it has.
fn id(request: &Value) -> Option<&str> {
    ["requestId", "request_id", "id"]
        .iter()
        .find_map(|key| request.get(key)?.as_str())
}

fn pending(control: &Control, part: &str) -> Result<Vec<Value>, Failed> {
    let requests = control.state(part)?;
    let with_id = |request: &Value| {
        let mut request = request.clone();
        if let (Some(id), Some(members)) =
            (id(&request).map(ToOwned::to_owned), request.as_object_mut())
        {
            members.insert("requestId".to_owned(), Value::String(id));
        }
        request
    };
    Ok(requests
        .as_array()
        .into_iter()
        .flatten()
        .map(with_id)
        .collect())
}

/// The members of the gateway's view under the names that the command line has.
fn in_camel_case(entry: &Value) -> Value {
    let members = entry.as_object().into_iter().flatten();
    let renamed = members.map(|(name, value)| {
        let mut words = name.split('_');
        let first = words.next().unwrap_or_default().to_owned();
        let rest = words.map(|word| {
            let (head, tail) = word.split_at(word.len().min(1));
            format!("{}{tail}", head.to_uppercase())
        });
        (first + &rest.collect::<String>(), value.clone())
    });
    Value::Object(renamed.collect())
}

/// What waits, and what is paired.
pub(super) fn list(part: &str, paired: &str) -> Said {
    let control = Control::find()?;
    let paired = control.state(paired)?;
    let paired: Vec<Value> = paired
        .as_array()
        .into_iter()
        .flatten()
        .map(in_camel_case)
        .collect();
    let list = json!({"pending": pending(&control, part)?, "paired": paired});
    Ok(format!("{list}\n"))
}

/// `devices approve --latest`: says which it would be, and approves nothing.
pub(super) fn preview() -> Said {
    let control = Control::find()?;
    let requests = pending(&control, "pending_devices")?;
    let Some(latest) = requests.last().and_then(id) else {
        return Err(Failed(1, "No pending device pairing requests.".to_owned()));
    };
    Ok(format!("{}\n", json!({"selected": {"requestId": latest}})))
}

/// Approves a device or a node.
pub(super) fn approve(verb: &str, request: &str) -> Said {
    Control::find()?.verb(verb, "request_id", request)?;
    Ok(format!("{}\n", json!({"requestId": request})))
}

/// Removes a device.
pub(super) fn remove(device: &str) -> Said {
    Control::find()?.verb("remove_device", "device_id", device)?;
    Ok(format!("{}\n", json!({"deviceId": device})))
}
