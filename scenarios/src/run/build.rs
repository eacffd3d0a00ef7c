//! Which build of clawproof this is, for run.json and transcript headers.

use std::path::Path;

/// Version of the crate.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit that the working tree at or above `here` is on, if it is a git checkout.
///
/// Read from the files of `.git`: no program is started, and nothing is read outside the checkout.
pub fn git_commit(here: &Path) -> Option<String> {
    let git = here
        .ancestors()
        .map(|folder| folder.join(".git"))
        .find(|git| git.exists())?;
    let git = if git.is_file() { linked(&git)? } else { git };
    let head = std::fs::read_to_string(git.join("HEAD")).ok()?;
    let Some(name) = head.trim().strip_prefix("ref: ") else {
        return commit(head.trim());
    };
    let common = std::fs::read_to_string(git.join("commondir"))
        .map_or_else(|_none| git.clone(), |path| git.join(path.trim()));
    for folder in [&git, &common] {
        if let Ok(text) = std::fs::read_to_string(folder.join(name)) {
            return commit(text.trim());
        }
    }
    let packed = std::fs::read_to_string(common.join("packed-refs")).ok()?;
    let line = packed.lines().find(|line| line.ends_with(name))?;
    commit(line.split(' ').next()?)
}

/// The folder that a `.git` file of a linked work tree points to.
fn linked(file: &Path) -> Option<std::path::PathBuf> {
    let text = std::fs::read_to_string(file).ok()?;
    let target = text.trim().strip_prefix("gitdir: ")?;
    Some(file.parent()?.join(target))
}

fn commit(text: &str) -> Option<String> {
    let hex = text.len() >= 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    hex.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_branch_and_a_detached_head_are_read() {
        let home = tempfile::tempdir().unwrap();
        let git = home.path().join(".git");
        let write = |name: &str, text: &str| {
            let path = git.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::io::Write::write_all(&mut fs::File::create(path).unwrap(), text.as_bytes())
                .unwrap();
        };
        let hash = "0123456789012345678901234567890123456789";
        write("HEAD", "ref: refs/heads/main\n");
        write(
            "packed-refs",
            &format!("# pack-refs\n{hash} refs/heads/main\n"),
        );
        assert_eq!(
            git_commit(&home.path().join("deep/er")).as_deref(),
            Some(hash)
        );
        let newer = "abcdefabcdefabcdefabcdefabcdefabcdefabcd";
        write("refs/heads/main", newer);
        assert_eq!(git_commit(home.path()).as_deref(), Some(newer));
        write("HEAD", &format!("{hash}\n"));
        assert_eq!(git_commit(home.path()).as_deref(), Some(hash));
        write("HEAD", "nonsense");
        assert_eq!(git_commit(home.path()), None);
    }
}
