//! Which HTTP request is answered with what. Pure, so that the whole table can be read and tested in one place.
//!
//! ref: gateway-behaviour.md §9 (recordings 116, 117)

use axum::http::Method;

/// What a request is answered with, once the brain has judged who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    Health,
    Ready,
    /// 405 with the methods that would do.
    NotAllowed(&'static str),
    /// 404 of the gateway itself.
    NotFound,
    /// 404 of the Control UI, with its headers.
    UiNotFound,
    /// `control-ui-config.json`.
    UiConfig,
    /// An agent's picture; the mock's has none.
    Avatar,
    /// A file of the Control UI; `index.html` for whatever does not look like one.
    Ui(String),
    /// 2026.6.34: canvas and its library.
    Canvas,
    /// Messages of a chat session.
    History(String),
    /// `POST /tools/invoke`.
    Tool,
}

impl Plan {
    /// Whether the shared secret is looked at.
    pub(super) fn asks_for_the_secret(&self) -> bool {
        match self {
            Self::Ready
            | Self::UiConfig
            | Self::Avatar
            | Self::Canvas
            | Self::History(_)
            | Self::Tool => true,
            Self::Health
            | Self::NotAllowed(_)
            | Self::NotFound
            | Self::UiNotFound
            | Self::Ui(_) => false,
        }
    }

    /// Whether the answer carries the Control UI's security headers, whatever it is.
    pub(super) fn has_ui_headers(&self) -> bool {
        match self {
            Self::UiNotFound | Self::UiConfig | Self::Avatar | Self::Ui(_) => true,
            Self::Health
            | Self::Ready
            | Self::NotAllowed(_)
            | Self::NotFound
            | Self::Canvas
            | Self::History(_)
            | Self::Tool => false,
        }
    }
}

/// Paths that belong to the gateway and not to the Control UI.
const RESERVED: [&str; 3] = ["/api", "/hooks", "/plugins"];

const CAPABILITY: &str = "/__openclaw__/cap";

/// The plan for a request. `newer` chooses 2026.9.6.
pub(super) fn of(newer: bool, method: &Method, path: &str) -> Plan {
    let reads = method == Method::GET || method == Method::HEAD;
    match path {
        "/health" | "/healthz" | "/ready" | "/readyz" if !reads => {
            return Plan::NotAllowed("GET, HEAD");
        }
        "/health" | "/healthz" => return Plan::Health,
        "/ready" | "/readyz" => return Plan::Ready,
        "/tools/invoke" if method != Method::POST => return Plan::NotAllowed("POST"),
        "/tools/invoke" => return Plan::Tool,
        _ => {}
    }
    let reserved = RESERVED.iter().any(|area| is_at_or_below(path, area));
    if !reads || reserved || (newer && is_at_or_below(path, "/v1")) {
        return Plan::NotFound;
    }
    if let Some(session) = history_of(path) {
        return Plan::History(session.to_owned());
    }
    // The older release takes a capability out of the path and serves what is behind it.
    let path = if newer { path } else { behind_capability(path) };
    if is_at_or_below(path, "/__openclaw__/a2ui") || (!newer && is_canvas(path)) {
        return Plan::Canvas;
    }
    match path {
        "/control-ui-config.json"
        | "/__openclaw/control-ui-config.json"
        | "/__openclaw__/control-ui-config.json" => Plan::UiConfig,
        _ if is_at_or_below(path, "/ui") => Plan::UiNotFound,
        _ if path
            .strip_prefix("/avatar/")
            .is_some_and(|id| !id.is_empty()) =>
        {
            Plan::Avatar
        }
        _ => Plan::Ui(path.to_owned()),
    }
}

/// What a path with a capability in it leads to; the path itself when there is none, or nothing behind it. Seen by the
/// flow http/canvas.
fn behind_capability(path: &str) -> &str {
    let inside = path
        .strip_prefix(CAPABILITY)
        .and_then(|rest| rest.strip_prefix('/'));
    match inside.and_then(|rest| rest.split_once('/').map(|(name, _)| (name, rest))) {
        Some((name, rest)) if !name.is_empty() => rest.get(name.len()..).unwrap_or(path),
        Some(_) | None => path,
    }
}

fn is_canvas(path: &str) -> bool {
    is_at_or_below(path, "/__openclaw__/canvas") || is_at_or_below(path, CAPABILITY)
}

fn is_at_or_below(path: &str, area: &str) -> bool {
    path.strip_prefix(area)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn history_of(path: &str) -> Option<&str> {
    let session = path.strip_prefix("/sessions/")?.strip_suffix("/history")?;
    (!session.is_empty() && !session.contains('/')).then_some(session)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn ui(path: &str) -> Plan {
        Plan::Ui(path.to_owned())
    }

    const READ: Plan = Plan::NotAllowed("GET, HEAD");
    const POST: Plan = Plan::NotAllowed("POST");

    #[rstest]
    #[case::root("GET", "/", ui("/"), ui("/"))]
    #[case::post("POST", "/", Plan::NotFound, Plan::NotFound)]
    #[case::health("POST", "/health", READ, READ)]
    #[case::tools("GET", "/tools/invoke", POST, POST)]
    #[case::api("GET", "/api/x", Plan::NotFound, Plan::NotFound)]
    #[case::looks_like_api("GET", "/apix", ui("/apix"), ui("/apix"))]
    #[case::v1("GET", "/v1/models", ui("/v1/models"), Plan::NotFound)]
    #[case::canvas(
        "GET",
        "/__openclaw__/canvas/",
        Plan::Canvas,
        ui("/__openclaw__/canvas/")
    )]
    #[case::cap("GET", "/__openclaw__/cap/x/y", ui("/y"), ui("/__openclaw__/cap/x/y"))]
    #[case::canvas_by_capability(
        "GET",
        "/__openclaw__/cap/x/__openclaw__/canvas/",
        Plan::Canvas,
        ui("/__openclaw__/cap/x/__openclaw__/canvas/")
    )]
    #[case::nothing_behind_the_capability(
        "GET",
        "/__openclaw__/cap/x",
        Plan::Canvas,
        ui("/__openclaw__/cap/x")
    )]
    #[case::library("GET", "/__openclaw__/a2ui/", Plan::Canvas, Plan::Canvas)]
    #[case::no_history(
        "GET",
        "/sessions//history",
        ui("/sessions//history"),
        ui("/sessions//history")
    )]
    fn every_request_has_its_plan(
        #[case] method: &str,
        #[case] path: &str,
        #[case] older: Plan,
        #[case] newer: Plan,
    ) {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        assert_eq!(of(false, &method, path), older);
        assert_eq!(of(true, &method, path), newer);
    }
}
