//! `clawproof clients`: what `run --client` can run.

use serde_json::json;

use super::args::{ClientsArgs, MessageFormat};
use super::exit::Exit;
use super::print::{fail, out, say};
use crate::adapter::{Adapter, Library};

pub(super) fn clients(args: &ClientsArgs) -> Exit {
    let here = std::env::current_dir().unwrap_or_else(|_gone| ".".into());
    let library = Library::find(&here);
    let names = match library.names() {
        Ok(names) => names,
        Err(error) => {
            fail(&error, Some(&error.hint()));
            return Exit::InvalidFile;
        }
    };
    let mut exit = Exit::Passed;
    for name in names {
        match library.read(&name) {
            Ok(adapter) => tell(&adapter, args.message_format),
            Err(error) => {
                fail(&error, Some(&error.hint()));
                exit = Exit::InvalidFile;
            }
        }
    }
    if exit == Exit::Passed && args.message_format == MessageFormat::Human {
        say(
            "hint: clawproof run --client NAME@VERSION, or the path of an adapter.toml of your own",
        );
    }
    exit
}

fn tell(adapter: &Adapter, format: MessageFormat) {
    let file = &adapter.file;
    let versions: Vec<&str> = file.versions.iter().map(|row| row.name.as_str()).collect();
    if format == MessageFormat::Json {
        return out(json!({
            "client": adapter.name, "title": file.title, "about": file.about, "versions": versions,
            "capabilities": file.capabilities, "actions": file.action.keys().collect::<Vec<_>>(),
            "knownFailures": adapter.known.len(),
        }));
    }
    let versions = if versions.is_empty() {
        String::new()
    } else {
        format!("@ {}", versions.join(", "))
    };
    out(format_args!(
        "{:<24} {} {versions}",
        adapter.name, file.title
    ));
    out(format_args!(
        "{:<24}   can {}",
        "",
        file.capabilities.join(", ")
    ));
}
