//! The config file of the `companion`: the options of the command line, by their names with `_` for `-`, as TOML. What
//! the command line says wins; who is connected to and who is trusted are each said in one place as a whole.

use std::path::{Path, PathBuf};

use gateway_client::Fingerprint;
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::arguments::{Arguments, Hidden, LogFormat, PolicyName};

/// A config file that can't be used. Holds no value of the file: it may be a token.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("the config file {} can't be read: {reason}\nhint: name a file that exists after --config", path.display())]
    Unreadable {
        path: PathBuf,
        reason: std::io::Error,
    },
    #[error("the config file {}, line {line}: {what}\nhint: the keys are the long options of `companion --help`, with _ for -", path.display())]
    Bad {
        path: PathBuf,
        line: usize,
        what: String,
    },
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    data_dir: Option<PathBuf>,
    url: Option<Spanned<Hidden>>,
    token: Option<Spanned<Hidden>>,
    setup_code: Option<Spanned<Hidden>>,
    node: bool,
    allow_run: Option<Spanned<Vec<String>>>,
    browser: Option<Spanned<bool>>,
    mcp_port: Option<u16>,
    wsl: Option<PathBuf>,
    no_repair: bool,
    tls_ca: Option<Spanned<PathBuf>>,
    tls_fingerprint: Option<Spanned<String>>,
    policy: Option<PolicyName>,
    seed: Option<u64>,
    log_format: Option<LogFormat>,
}

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // What stands there instead of a text may be the secret itself, so the error does not quote it.
        let text = String::deserialize(deserializer);
        let text = text.map_err(|_| serde::de::Error::custom("expected a text in quotes"))?;
        Ok(Self(text))
    }
}

impl Arguments {
    /// With what the file of `--config` says, where the command line says nothing.
    pub(crate) fn with_config(mut self) -> Result<Self, ConfigError> {
        let Some(path) = self.config.take() else {
            return Ok(self);
        };
        let text = std::fs::read_to_string(&path).map_err(|reason| ConfigError::Unreadable {
            path: path.clone(),
            reason,
        })?;
        let bad = |(at, what): (usize, String)| ConfigError::Bad {
            line: 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count(),
            path: path.clone(),
            what,
        };
        let file: File = toml::from_str(&text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            bad((at, error.message().to_owned()))
        })?;
        self.take_over(file, path.parent().unwrap_or_else(|| Path::new("")))
            .map_err(bad)?;
        Ok(self)
    }

    fn take_over(&mut self, file: File, folder: &Path) -> Result<(), (usize, String)> {
        let fingerprint = file.check()?;
        // Paths are meant from where the file lies.
        let from_here = |path: PathBuf| folder.join(path);
        if self.url.is_none() && self.setup_code.is_none() {
            self.url = file.url.map(|it| it.into_inner().0);
            self.token = file.token.map(Spanned::into_inner);
            self.setup_code = file.setup_code.map(Spanned::into_inner);
        }
        if self.tls_ca.is_none() && self.tls_fingerprint.is_none() {
            self.tls_ca = file.tls_ca.map(Spanned::into_inner).map(from_here);
            self.tls_fingerprint = fingerprint;
        }
        if self.allow_run.is_empty() {
            self.allow_run = file.allow_run.map(Spanned::into_inner).unwrap_or_default();
        }
        self.node |= file.node;
        self.no_repair |= file.no_repair;
        self.browser |= file.browser.is_some_and(Spanned::into_inner);
        self.data_dir = self
            .data_dir
            .take()
            .or_else(|| file.data_dir.map(from_here));
        self.mcp_port = self.mcp_port.or(file.mcp_port);
        self.wsl = self.wsl.take().or_else(|| file.wsl.map(from_here));
        self.policy = self.policy.or(file.policy);
        self.seed = self.seed.or(file.seed);
        self.log_format = self.log_format.or(file.log_format);
        Ok(())
    }
}

impl File {
    /// What the command line's own rules would refuse, with the place of what is too much or too lonely.
    fn check(&self) -> Result<Option<Fingerprint>, (usize, String)> {
        fn at<T>(value: Option<&Spanned<T>>) -> Option<usize> {
            value.map(|value| value.span().start)
        }
        let (url, token, code) = (
            at(self.url.as_ref()),
            at(self.token.as_ref()),
            at(self.setup_code.as_ref()),
        );
        let (ca, pin) = (at(self.tls_ca.as_ref()), at(self.tls_fingerprint.as_ref()));
        let rules = [
            (
                url.filter(|_| token.is_none()),
                "expected `token` beside `url`",
            ),
            (
                token.filter(|_| url.is_none()),
                "expected `url` beside `token`",
            ),
            (
                code.filter(|_| url.is_some()),
                "expected either `setup_code` or `url`, got both",
            ),
            (
                pin.filter(|_| ca.is_some()),
                "expected either `tls_fingerprint` or `tls_ca`, got both",
            ),
            (
                at(self.allow_run.as_ref()).filter(|_| !self.node),
                "expected `node` to be on beside `allow_run`",
            ),
            (
                at(self.browser.as_ref()).filter(|_| !self.node),
                "expected `node` to be on beside `browser`",
            ),
        ];
        if let Some((at, what)) = rules.into_iter().find_map(|(at, what)| Some((at?, what))) {
            return Err((at, what.to_owned()));
        }
        let pin = self.tls_fingerprint.as_ref();
        pin.map(|pin| {
            pin.get_ref()
                .parse()
                .map_err(|error| (pin.span().start, format!("{error}")))
        })
        .transpose()
    }
}
