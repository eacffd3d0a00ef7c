//! Frames that hold whatever redaction looks for, in whatever place, made at random.

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

/// Names of members: of secrets, of machines, of devices, of what stands beside them, and others.
const NAMES: [&str; 60] = [
    "token",
    "deviceToken",
    "device_token",
    "accessToken",
    "X-Api-Key",
    "api_key",
    "password",
    "PASSWD",
    "passphrase",
    "setupCode",
    "bootstrapToken",
    "signature",
    "privateKey",
    "privateKeyBase64",
    "private_key_pem",
    "secretKey",
    "signing-key",
    "Authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "clientSecret",
    "secret",
    "nodeToken_",
    "value",
    "name",
    "key",
    "role",
    "deviceId",
    "scopes",
    "id",
    "publicKey",
    "PublicKeyBase64",
    "nodeId",
    "remote_deviceid",
    "host",
    "hostname",
    "ssh_host",
    "machine-name",
    "user",
    "userName",
    "os_user",
    "displayName",
    "method",
    "params",
    "type",
    "payload",
    "payloadJSON",
    "tokens",
    "publickey",
    "",
    "t",
    "naïve",
    "a\"b\\c",
    "$serde_json::private::RawValue",
    "$x",
    "line\nfeed",
    "oracle-token",
    "a-name-that-is-much-longer-than-any-that-is-looked-at-token",
    "deviceFamily",
];

/// Secrets: of a word, with odd characters, random ones, digits, ids and keys.
const SECRETS: [&str; 12] = [
    "oracle-token",
    "yV3-Issued_Token-0123456789abcdefghijklmnopq",
    "xaOkSjDo466HusXPXaywbicsJ9Pj0_xnu6GJHhFWhNI",
    "a\"b\\c d&e",
    "geheim€ünü",
    "123456789",
    "node",
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "fc5ec1e287ad9b0942841ad9733a002c81f3d9fdb3d39d6179a3ea90d58f40e9",
    "6Kiwh_aGJvOYml_KVJeYoIb5X6vU481cmxfKxjK1ENM",
    "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=",
    "a\tb+c/d==e",
];

/// Texts that give something away, or seem to. `@` becomes a secret.
const TEXTS: [&str; 34] = [
    "@",
    "say @!",
    "Authorization: Bearer @",
    "Bearer @",
    "a bearer @, and basic dXNlcjpwYXNzd29yZC14",
    "openclaw gateway --token @ --port 80",
    "--password=@ x",
    "wss://u:@@gw.anna.net/p?token=@&y=1",
    "-----BEGIN PRIVATE KEY-----\nMC4@\n-----END PRIVATE KEY----- b",
    "<device-token:1>",
    "<host:1> anna",
    "192.168.1.5",
    "from 10.0.0.7:80 and fe80::1c2:3%eth0",
    "127.0.0.1",
    "12:34:56.789Z 2026.9.6",
    "cd /home/anna/.openclaw",
    "C:\\Users\\Anna B\\AppData",
    "/mnt/c/Users/bert/x",
    "mail anna.b@corp.eu",
    "ssh anna@box",
    "wss://anna-box.tail12.ts.net:80/ws",
    "anna",
    "ANNA-box, anna",
    "bert annabel éanna",
    "DESKTOP-7Q:18789",
    "Windows Node (DESKTOP-7Q)",
    "OpenClaw Windows Tray",
    "operator.read",
    "key ewe eye",
    "Anna's phone",
    "localhost",
    "unauthorized: gateway token missing (set gateway.remote.token)",
    "{ not json",
    "probe 101-node dev1",
];

fn secret() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => select(&SECRETS[..]).prop_map(str::to_owned),
        1 => "[a-zA-Z0-9_-]{6,44}",
    ]
}

/// A secret, or a part of one, in one of its forms.
fn form() -> impl Strategy<Value = String> {
    (secret(), any::<usize>(), 0_usize..30, 4_usize..200).prop_map(
        |(secret, which, from, length)| {
            let mut forms = transcript::encoding::forms(&secret);
            let (_, form) = forms.swap_remove(which % forms.len().max(1));
            let form = String::from_utf8_lossy(&form).into_owned();
            form.chars()
                .skip(from / 4 * (which % 2))
                .take(length)
                .collect()
        },
    )
}

fn code() -> impl Strategy<Value = String> {
    (secret(), any::<bool>()).prop_map(|(secret, is_url)| {
        let content = json!({"url": "ws://10.1.2.3:1", "bootstrapToken": secret}).to_string();
        if is_url {
            BASE64_URL_SAFE_NO_PAD.encode(content)
        } else {
            BASE64_STANDARD.encode(content)
        }
    })
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (select(&TEXTS[..]), secret()).prop_map(|(text, secret)| text.replacen('@', &secret, 1)),
        3 => secret(),
        3 => form(),
        1 => code(),
        1 => (form(), form()).prop_map(|(one, other)| format!("{one} {other}")),
        1 => "\\PC{0,12}",
        1 => "[ -~\\x00-\\x1f\\x7f\u{a0}\u{2028}\u{1F600}]{0,16}",
    ]
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        (0_u32..100_000).prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(json!(0)),
        Just(json!(0.5)),
    ]
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => text().prop_map(Value::from),
        1 => number(),
        1 => select(vec![Value::Null, json!(true), json!(false), json!({}), json!([])]),
    ]
}

/// A JSON value of all that.
pub(crate) fn value() -> impl Strategy<Value = Value> {
    let name = || select(&NAMES[..]).prop_map(str::to_owned);
    let nested = |inner: BoxedStrategy<Value>| {
        (inner, 0_usize..4).prop_map(|(value, how)| {
            Value::from(match how {
                0 => value.to_string(),
                1 => format!(" \u{a0}{value:#}"),
                2 => Value::from(value.to_string()).to_string(),
                _ => format!("{value} "),
            })
        })
    };
    leaf().prop_recursive(5, 40, 6, move |inner| {
        let members = prop::collection::vec((name(), inner.clone()), 0..7);
        let object = members.prop_map(|members| Value::Object(members.into_iter().collect()));
        let object = object.boxed();
        prop_oneof![
            6 => object.clone(),
            2 => prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            2 => (name(), text()).prop_map(|(name, text)| json!([name, text])),
            1 => (name(), inner).prop_map(|(name, value)| json!({"name": name, "value": value})),
            2 => (name(), nested(object)).prop_map(|(name, text)| json!({name: text})),
        ]
    })
}

/// What is done to a text that `serde_json` wrote, so that it is another spelling, another value, or none.
pub(crate) fn respelled(text: &str, how: usize, at: usize) -> String {
    let mut place = at % (text.len() + 1);
    while !text.is_char_boundary(place) {
        place -= 1;
    }
    let (before, after) = text.split_at(place);
    let put = |what: &str| format!("{before}{what}{after}");
    let instead = |old: &str, new: &str| match after.split_once(old) {
        Some((middle, rest)) => format!("{before}{middle}{new}{rest}"),
        None => text.replacen(old, new, 1),
    };
    match how {
        0 => put(" "),
        1 => put("\\u0061"),
        2 => instead("a", "\\u0061"),
        3 => instead("/", "\\/"),
        4 => instead("n", "\\n"),
        5 => instead(":", ":-0,\"x\":"),
        6 => instead(":", ":1e5,\"x\":"),
        7 => instead(":", ":123456789012345678901234567890,\"x\":"),
        8 => instead(":", ":1,\"token\":1,\"token\":"),
        9 => instead("\"", "\"\\ud800"),
        10 => instead("\"", "\"\\u001F\\u001f\\u000a\\u0008"),
        11 => instead(":", ":01,\"x\":"),
        12 => put("x"),
        13 => before.to_owned(),
        14 => put(","),
        15 => format!("{text} "),
        16 => instead(":", ": "),
        17 => put("\u{0}"),
        18 => instead(":", ":-,\"x\":"),
        19 => instead(":", ":1.50,\"x\":"),
        _ => text.to_owned(),
    }
}
