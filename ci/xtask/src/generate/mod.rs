//! `cargo xtask generate`: the reference pages, made from the registries in the code.
//!
//! - [`table`]: a Markdown table.
//! - [`protocol`]: errors, close codes, methods, events.
//! - [`harness`]: faults, invariants, exit codes.
//! - [`language`]: what a scenario file can say, as a page and as a schema for editors.
//! - [`suite`]: the list of all scenarios.
//! - [`shards`]: the manifests of the shards, with what is new.
//! - [`field`]: the catalogue and the museum.
//! - [`clients`]: what each client does, from the tables of a run.

pub(crate) mod clients;
mod field;
mod harness;
mod language;
mod protocol;
pub(crate) mod shards;
mod suite;
pub(crate) mod table;

use std::fs;
use std::io::Write as _;
use std::path::Path;

use crate::error::XtaskError;
use crate::ledger;
use crate::say;
use crate::tidy::Finding;
use crate::tidy::tree::Tree;

/// One generated file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// Relative to the workspace, with forward slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Page {
    /// A page of the reference: title, a sentence, the body.
    pub(crate) fn reference(path: &str, title: &str, about: &str, body: &str) -> Self {
        Self::made_by("cargo xtask generate", path, title, about, body)
    }

    /// The same, with the command that makes it.
    fn made_by(command: &str, path: &str, title: &str, about: &str, body: &str) -> Self {
        let note = format!("<!-- Written by `{command}`. Do not edit. -->");
        let body = body.trim_end();
        Self {
            path: path.to_owned(),
            text: format!("{note}\n\n# {title}\n\n{about}\n\n{body}\n"),
        }
    }
}

/// Every generated file, as it has to be.
pub(crate) fn pages(tree: &Tree) -> Vec<Page> {
    let mut pages = protocol::pages();
    pages.extend(harness::pages());
    pages.extend(language::pages());
    pages.extend(field::pages(tree));
    pages.extend(shards::pages(tree));
    pages.push(suite::page(tree));
    pages.push(ledger::page(tree));
    pages
}

/// Writes the pages, or only compares them when `check` is set.
pub(crate) fn run(root: &Path, check: bool) -> Result<(), XtaskError> {
    let tree = Tree::load(root)?;
    let pages = pages(&tree);
    let stale = stale(&pages, &tree);
    if check {
        let paths: Vec<_> = stale.iter().map(|page| page.path.clone()).collect();
        return if paths.is_empty() {
            Ok(())
        } else {
            Err(XtaskError::Stale { paths })
        };
    }
    for page in stale {
        write(&root.join(&page.path), &page.text)?;
        say(&format!("wrote {}", page.path))?;
    }
    Ok(())
}

/// A finding for each page that differs from what is committed.
pub(crate) fn findings(tree: &Tree) -> Vec<Finding> {
    let pages = pages(tree);
    let stale = stale(&pages, tree);
    let finding = |page: &Page| {
        Finding::new(
            "generated_is_fresh",
            &page.path,
            0,
            "run `cargo xtask generate`",
        )
    };
    stale.into_iter().map(finding).collect()
}

fn stale<'a>(pages: &'a [Page], tree: &Tree) -> Vec<&'a Page> {
    let fresh = |page: &Page| {
        tree.file(&page.path)
            .is_some_and(|file| file.text.replace("\r\n", "\n") == page.text)
    };
    pages.iter().filter(|page| !fresh(page)).collect()
}

/// Replaces a file in one step, so that nobody reads half of it.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), XtaskError> {
    let write_error = |source| XtaskError::Write {
        path: path.to_path_buf(),
        source,
    };
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(write_error)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(write_error)?;
    file.write_all(text.as_bytes()).map_err(write_error)?;
    file.persist(path)
        .map_err(|error| write_error(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::SourceFile;

    fn page() -> Page {
        Page {
            path: "docs/reference/x.md".to_owned(),
            text: "new\n".to_owned(),
        }
    }

    fn tree(text: &str) -> Tree {
        Tree {
            files: vec![SourceFile {
                path: page().path,
                text: text.to_owned(),
            }],
            ..Tree::default()
        }
    }

    #[test]
    fn a_page_is_stale_when_it_is_missing_or_differs() {
        assert_eq!(stale(&[page()], &tree("new\n")), [] as [&Page; 0]);
        assert_eq!(stale(&[page()], &tree("new\r\n")), [] as [&Page; 0]);
        assert_eq!(stale(&[page()], &tree("old\n")), [&page()]);
        assert_eq!(stale(&[page()], &Tree::default()), [&page()]);
    }

    #[test]
    fn what_is_written_is_fresh() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(page().path);
        write(&path, "old\n").unwrap();
        write(&path, &page().text).unwrap();
        assert_eq!(
            stale(&[page()], &Tree::load(folder.path()).unwrap()),
            [] as [&Page; 0]
        );
    }

    #[test]
    fn every_row_of_every_registry_has_a_doc() {
        for page in pages(&Tree::default())
            .iter()
            .filter(|page| page.path.starts_with("docs/"))
        {
            for line in page.text.lines().filter(|line| line.starts_with('|')) {
                assert!(!line.ends_with("|  |"), "{}: {line}", page.path);
            }
        }
    }
}
