//! Rules about any text: dashes, machine paths, package hosts, pinned actions, links.

use crate::tidy::Finding;
use crate::tidy::tree::Tree;

/// A line that has one of `needles` is a finding.
fn lines_with(tree: &Tree, rule: &'static str, needles: &[&str], message: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.written() {
        for (number, line) in file.numbered() {
            if let Some(needle) = needles.iter().find(|needle| line.contains(**needle)) {
                findings.push(Finding::new(
                    rule,
                    &file.path,
                    number,
                    format!("{message}: {needle}"),
                ));
            }
        }
    }
    findings
}

/// Our users' own rule: no em dash in what they read.
pub(crate) fn no_em_dash(tree: &Tree) -> Vec<Finding> {
    lines_with(
        tree,
        "no_em_dash",
        &["\u{2014}"],
        "write a comma, a colon or two sentences instead of an em dash",
    )
}

/// Paths of one machine mean nothing on another. Put together so that this file does not find itself.
pub(crate) fn no_machine_path(tree: &Tree) -> Vec<Finding> {
    let paths = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/tm", "p/brief"),
        concat!("/ho", "me/runner"),
        concat!("C:\\Us", "ers\\"),
    ];
    lines_with(tree, "no_machine_path", &paths, "a path of one machine")
}

/// Packages come through their ordinary clients, as set up on the machine; nothing here names a host.
pub(crate) fn no_package_host(tree: &Tree) -> Vec<Finding> {
    let hosts = [
        concat!("registry.npm", "js.org"),
        concat!("registry.yarn", "pkg.com"),
        concat!("static.crates", ".io"),
        concat!("index.crates", ".io"),
        concat!("deb.debian", ".org"),
        concat!("files.python", "hosted.org"),
        concat!("pypi", ".org"),
    ];
    lines_with(tree, "no_package_host", &hosts, "a package registry's host")
}

/// An action is named by the commit that was read, not by a tag that can move.
pub(crate) fn actions_are_pinned(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let workflows = tree
        .files
        .iter()
        .filter(|file| file.path.starts_with(".github/workflows/"));
    for file in workflows {
        for (number, line) in file.numbered() {
            let Some((_, action)) = line.split_once("uses:") else {
                continue;
            };
            let name = action.split('#').next().unwrap_or(action).trim();
            let pinned = name
                .split_once('@')
                .is_some_and(|(_, at)| at.len() == 40 && at.chars().all(|c| c.is_ascii_hexdigit()));
            if !pinned && !name.starts_with("./") {
                findings.push(Finding::new(
                    "actions_are_pinned",
                    &file.path,
                    number,
                    format!("{name} is not pinned to a commit"),
                ));
            }
        }
    }
    findings
}

/// A relative link in a page leads to a file or folder of the workspace.
pub(crate) fn links_lead_somewhere(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| file.has_extension("md")) {
        for (number, line) in file.numbered() {
            for target in line
                .split("](")
                .skip(1)
                .filter_map(|rest| rest.split(')').next())
            {
                let path = target.split('#').next().unwrap_or(target);
                if path.is_empty() || path.contains("://") || is_there(tree, &file.path, path) {
                    continue;
                }
                let message = format!("nothing is at {target}");
                findings.push(Finding::new(
                    "links_lead_somewhere",
                    &file.path,
                    number,
                    message,
                ));
            }
        }
    }
    findings
}

fn is_there(tree: &Tree, from: &str, link: &str) -> bool {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let path = parts.join("/");
    let folder = format!("{path}/");
    tree.files
        .iter()
        .any(|file| file.path == path || file.path.starts_with(&folder))
        || tree.binaries.contains(&path)
}
