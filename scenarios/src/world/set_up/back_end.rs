//! What a computer on this machine is made of: namespaces, or containers.

use std::path::Path;

use wsl_fixtures::argv::Install;
use wsl_fixtures::backend::process::ProcessWsl;
use wsl_fixtures::standin::decoy::is_decoy;
use wsl_fixtures::standin::home::Home;
use wsl_fixtures::{Machine, Wsl};

use super::namespace::Ground;
use crate::scenario::BackEnd;
use crate::setup::link_programs;

/// Distros of one kind.
pub(super) trait Distros {
    fn wsl(&mut self) -> &mut dyn Wsl;
    fn look(&self) -> &dyn Wsl;
    /// What is registered.
    fn machine(&self) -> std::io::Result<Machine>;
    /// Calls of programs that no set-up may call.
    fn decoys_called(&self) -> Vec<String>;
    /// A file of a distro that runs; empty when there is none.
    fn file(&mut self, distro: &str, path: &str) -> String;
}

/// Namespaces of this machine behind wsl.exe as a program.
struct Namespaces {
    wsl: ProcessWsl,
    home: Home,
}

impl Distros for Namespaces {
    fn wsl(&mut self) -> &mut dyn Wsl {
        &mut self.wsl
    }

    fn look(&self) -> &dyn Wsl {
        &self.wsl
    }

    fn machine(&self) -> std::io::Result<Machine> {
        self.home.machine()
    }

    fn decoys_called(&self) -> Vec<String> {
        let calls = self.home.log().unwrap_or_default();
        let decoys = calls.iter().filter(|call| is_decoy(&call.argv));
        decoys.map(|call| call.argv.join(" ")).collect()
    }

    fn file(&mut self, distro: &str, path: &str) -> String {
        let root = self.home.distro(distro).join("root");
        let text = std::fs::read_to_string(root.join(path.trim_start_matches('/')));
        text.unwrap_or_default()
    }
}

/// Containers with a systemd of their own.
#[cfg(all(target_os = "linux", feature = "container"))]
struct Containers(wsl_fixtures::backend::container::ContainerWsl);

#[cfg(all(target_os = "linux", feature = "container"))]
impl Distros for Containers {
    fn wsl(&mut self) -> &mut dyn Wsl {
        &mut self.0
    }

    fn look(&self) -> &dyn Wsl {
        &self.0
    }

    fn machine(&self) -> std::io::Result<Machine> {
        Ok(self.0.machine.clone())
    }

    fn decoys_called(&self) -> Vec<String> {
        // No program is started on the Windows side at all.
        Vec::new()
    }

    fn file(&mut self, distro: &str, path: &str) -> String {
        let cat = wsl_fixtures::argv::Run::command(distro, &["cat", path]).as_user("root");
        // A look is no call of the set-up: it goes past the machine and its faults.
        let read = self.0.inside(&cat);
        read.filter(wsl_fixtures::Finished::success)
            .map(|read| wsl_fixtures::output::decode(&read.stdout))
            .unwrap_or_default()
    }
}

/// A computer of a ground in a folder; the distros of `before` are on it already.
pub(super) fn distros(
    ground: &Ground,
    folder: &Path,
    mut machine: Machine,
    before: &[String],
) -> std::io::Result<Box<dyn Distros>> {
    match ground.back_end {
        BackEnd::Namespaces => {
            let program = link_programs(&ground.program, &folder.join("bin"))?;
            let home = Home::open(folder.join("computer"))?;
            // What was there before was made without trouble, and by somebody else.
            let faults = std::mem::take(&mut machine.faults);
            home.change(|known| *known = machine)?;
            let mut others = ProcessWsl::stand_in(&program, home.path());
            for name in before {
                let installed = others.install(&Install::named(name, name));
                installed.map_err(std::io::Error::other)?;
            }
            home.change(|known| known.faults = faults)?;
            let wsl = ProcessWsl::stand_in(&program, home.path());
            Ok(Box::new(Namespaces { wsl, home }))
        }
        #[cfg(all(target_os = "linux", feature = "container"))]
        BackEnd::Containers => {
            use wsl_fixtures::backend::container::ContainerWsl;
            before.iter().for_each(|name| machine.add(name));
            let wsl = ContainerWsl::new(machine, &ground.program);
            Ok(Box::new(Containers(wsl.map_err(std::io::Error::other)?)))
        }
        #[cfg(not(all(target_os = "linux", feature = "container")))]
        BackEnd::Containers => Err(std::io::Error::other(
            "this program was built without containers: cargo build --features container",
        )),
    }
}
