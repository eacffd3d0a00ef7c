//! The Control UI: the real one's files from a directory, or a page of ours that says what this is.
//!
//! ref: gateway-behaviour.md §9 (recording 116); header values are those of both releases.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::{Site, html, revalidated, text};

/// Where the canvas would be.
pub(super) const CANVAS: &str = "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>clawproof canvas</title><p>The mock gateway has no canvas.</p></html>\n";

const PAGE: &str = include_str!("page.html");
const ICON: &[u8] = include_bytes!("favicon.ico");
const ICON_SVG: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="8" cy="8" r="7" fill="#c2410c"/></svg>"##;

/// Puts the headers of every Control UI answer; a content policy that is there already stays.
pub(super) fn secure(newer: bool, headers: &mut HeaderMap) {
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY)
        && let Ok(policy) = HeaderValue::from_str(&content_policy(newer, ""))
    {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
}

/// `scripts` are further sources of scripts, each with a blank before it.
fn content_policy(newer: bool, scripts: &str) -> String {
    let (frames, images, connect) = if newer {
        (" frame-src 'self' http: https:;", " https:", " data:")
    } else {
        ("", "", "")
    };
    format!(
        "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none';{frames} \
         script-src 'self'{scripts}; style-src 'self' 'unsafe-inline' https://fonts.googleapis.com; \
         img-src 'self' data: blob:{images}; media-src 'self' data: blob:; \
         font-src 'self' https://fonts.gstatic.com; worker-src 'self'; \
         connect-src 'self' ws: wss:{connect} https://api.openai.com https://tweakcn.com"
    )
}

/// A file, or the page for what does not look like one.
pub(super) async fn file(site: &Site, path: &str) -> Response<Body> {
    match &site.control_ui {
        Some(directory) => from_directory(site, Arc::clone(directory), path).await,
        None => ours(path),
    }
}

fn ours(path: &str) -> Response<Body> {
    match path {
        "/favicon.ico" => typed(ICON, "image/x-icon"),
        "/favicon.svg" => typed(ICON_SVG, "image/svg+xml"),
        _ if looks_like_a_file(path) => text(StatusCode::NOT_FOUND, "Not Found"),
        _ => revalidated(html(StatusCode::OK, PAGE)),
    }
}

async fn from_directory(site: &Site, directory: Arc<Path>, path: &str) -> Response<Body> {
    let Some(wanted) = relative(path) else {
        return text(StatusCode::NOT_FOUND, "Not Found");
    };
    let index = wanted.as_os_str().is_empty() || wanted == Path::new("index.html");
    if !index && let Some(bytes) = read(Arc::clone(&directory), wanted.clone()).await {
        return typed(bytes, content_type(&wanted));
    }
    if !index && looks_like_a_file(path) {
        return text(StatusCode::NOT_FOUND, "Not Found");
    }
    let Some(page) = read(directory, PathBuf::from("index.html")).await else {
        return text(
            StatusCode::SERVICE_UNAVAILABLE,
            "Control UI assets not found: the directory of --control-ui has no index.html",
        );
    };
    index_page(site, &String::from_utf8_lossy(&page))
}

fn index_page(site: &Site, page: &str) -> Response<Body> {
    let newer = site.profile.newer_http();
    let (page, more) = if newer {
        let build_id = site.profile.build_id();
        (announced(page, &build_id), " 'wasm-unsafe-eval'")
    } else {
        (page.to_owned(), "")
    };
    let scripts = format!("{}{more}", inline_scripts(&page));
    let mut response = revalidated(html(StatusCode::OK, page));
    if let Ok(policy) = HeaderValue::from_str(&content_policy(newer, &scripts)) {
        response
            .headers_mut()
            .insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// The newer release writes into the page's root element where it is mounted and which build it belongs to.
fn announced(page: &str, build_id: &str) -> String {
    const BUILD: &str = " data-openclaw-control-ui-build-id=\"";
    let parts = page
        .split_once("<html")
        .and_then(|(before, rest)| Some((before, rest.split_once('>')?)));
    let Some((before, (attributes, rest))) = parts else {
        return page.to_owned();
    };
    let kept = match attributes.split_once(BUILD) {
        Some((first, last)) => {
            let last = last.split_once('"').map_or("", |(_, last)| last);
            format!("{first}{last}")
        }
        None => attributes.to_owned(),
    };
    let mounted = "data-openclaw-control-ui-base-path=\"\" data-openclaw-terminal-enabled=\"true\"";
    format!("{before}<html {mounted}{BUILD}{build_id}\"{kept}>{rest}")
}

/// Policy sources for the scripts that stand in the page itself.
fn inline_scripts(page: &str) -> String {
    let mut sources = String::new();
    for piece in page.split("<script").skip(1) {
        let Some((tag, rest)) = piece.split_once('>') else {
            continue;
        };
        let Some((code, _)) = rest.split_once("</script>") else {
            continue;
        };
        let loads = tag
            .split_ascii_whitespace()
            .any(|attribute| attribute.starts_with("src="));
        if !loads && !code.is_empty() {
            let digest = STANDARD.encode(Sha256::digest(code));
            write!(sources, " 'sha256-{digest}'").ok();
        }
    }
    sources
}

/// The path below the directory; none for what would leave it. Assets are found below any page.
fn relative(path: &str) -> Option<PathBuf> {
    let path = path.trim_start_matches('/');
    let path = match path.find("/assets/") {
        Some(at) => path.get(at + 1..)?,
        None => path,
    };
    let sound = |name: &str| {
        !name.is_empty() && name != "." && name != ".." && !name.contains(['\\', ':', '\0', '%'])
    };
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Some(PathBuf::new());
    }
    path.split('/')
        .all(sound)
        .then(|| path.split('/').collect())
}

/// Reads a file that lies in the directory, links followed.
async fn read(directory: Arc<Path>, wanted: PathBuf) -> Option<Vec<u8>> {
    let reading = tokio::task::spawn_blocking(move || {
        let root = directory.canonicalize().ok()?;
        let file = root.join(wanted).canonicalize().ok()?;
        (file.starts_with(&root) && file.is_file())
            .then(|| std::fs::read(file).ok())
            .flatten()
    });
    reading.await.ok().flatten()
}

fn typed(bytes: impl Into<Body>, kind: &'static str) -> Response<Body> {
    let mut response = Response::new(bytes.into());
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    revalidated(response)
}

fn content_type(path: &Path) -> &'static str {
    let extension = path
        .extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "application/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json; charset=utf-8",
        "webmanifest" => "application/manifest+json; charset=utf-8",
        "txt" => "text/plain; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "woff" => "font/woff",
        "wasm" => "application/wasm",
        _ => "application/octet-stream",
    }
}

fn looks_like_a_file(path: &str) -> bool {
    path != "/index.html"
        && path
            .rsplit('/')
            .next()
            .is_some_and(|last| last.trim_start_matches('.').contains('.'))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/", false)]
    #[case("/index.html", false)]
    #[case("/chat", false)]
    #[case("/.well-known/x", false)]
    #[case("/nope.txt", true)]
    #[case("/assets/nope.js", true)]
    fn a_file_has_an_extension(#[case] path: &str, #[case] file: bool) {
        assert_eq!(looks_like_a_file(path), file);
    }

    #[rstest]
    #[case::root("/", Some(""))]
    #[case::file("/assets/a.js", Some("assets/a.js"))]
    #[case::below_a_page("/chat/assets/a.js", Some("assets/a.js"))]
    #[case::page("/chat/main/", Some("chat/main"))]
    #[case::up("/../secret", None)]
    #[case::encoded("/%2e%2e/secret", None)]
    #[case::backslash("/..\\secret", None)]
    #[case::drive("/C:/secret", None)]
    fn no_path_leaves_the_directory(#[case] path: &str, #[case] expected: Option<&str>) {
        assert_eq!(relative(path), expected.map(PathBuf::from));
    }

    #[test]
    fn the_page_says_which_build_it_belongs_to() {
        let page = "<html data-openclaw-control-ui-build-id=\"other\" lang=\"en\"><p>";
        assert_eq!(
            announced(page, "mine"),
            "<html data-openclaw-control-ui-base-path=\"\" data-openclaw-terminal-enabled=\"true\" \
             data-openclaw-control-ui-build-id=\"mine\" lang=\"en\"><p>"
        );
    }

    #[test]
    fn only_scripts_in_the_page_are_named_in_the_policy() {
        let page = "<script type=\"module\" src=\"a.js\"></script><script>x</script>";
        assert_eq!(
            inline_scripts(page),
            " 'sha256-LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE='"
        );
    }
}
