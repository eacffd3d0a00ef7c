//! Problems of a scenario file, with the place, what was expected and the remedy.

use std::fmt;
use std::ops::Range;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It runs, but something looks wrong.
    Warning,
    /// It cannot run.
    Error,
}

/// One problem of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How bad.
    pub severity: Severity,
    /// Stable name, `scenario::unknown_field`.
    pub code: &'static str,
    /// What is wrong, as a lower-case fragment.
    pub message: String,
    /// Bytes in the file.
    pub at: Option<Range<usize>>,
    /// The remedy.
    pub help: Option<String>,
}

impl Problem {
    /// A problem that stops the scenario from running.
    pub fn error(code: &'static str, message: String) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message,
            at: None,
            help: None,
        }
    }

    /// A problem that is only reported.
    pub fn warning(code: &'static str, message: String) -> Self {
        Self {
            severity: Severity::Warning,
            code,
            message,
            at: None,
            help: None,
        }
    }

    /// With its place.
    #[must_use]
    pub fn at(mut self, at: Option<Range<usize>>) -> Self {
        self.at = at;
        self
    }

    /// With the remedy.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// All problems of one file. Prints as a miette diagnostic with the lines and carets.
#[derive(Clone, Debug)]
pub struct Problems {
    /// File name for messages.
    pub file: String,
    /// The whole text.
    pub text: String,
    /// The problems, errors and warnings, in file order.
    pub list: Vec<Problem>,
}

impl Problems {
    /// Whether one of them is an error.
    pub fn has_errors(&self) -> bool {
        self.list
            .iter()
            .any(|problem| problem.severity == Severity::Error)
    }

    /// Renders every problem for a person.
    pub fn render(&self, colour: bool) -> String {
        let handler = if colour {
            miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::unicode())
        } else {
            miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::none())
        };
        let mut text = String::new();
        for problem in &self.list {
            let shown = Shown {
                problem,
                source: miette::NamedSource::new(&self.file, self.text.clone()),
            };
            if handler.render_report(&mut text, &shown).is_err() {
                text.push_str(&problem.message);
            }
            text.push('\n');
        }
        text
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.list.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            let line = problem.at.as_ref().and_then(|at| self.text.get(..at.start));
            match line {
                Some(before) => write!(f, "{}:{}: ", self.file, before.matches('\n').count() + 1)?,
                None => write!(f, "{}: ", self.file)?,
            }
            write!(f, "{}", problem.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// One problem as miette wants to see it.
#[derive(Debug)]
struct Shown<'a> {
    problem: &'a Problem,
    source: miette::NamedSource<String>,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem.message)
    }
}

impl std::error::Error for Shown<'_> {}

impl miette::Diagnostic for Shown<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.problem.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.problem.severity {
            Severity::Warning => miette::Severity::Warning,
            Severity::Error => miette::Severity::Error,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let help = self.problem.help.as_ref()?;
        Some(Box::new(help))
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.problem.at.as_ref()?;
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = miette::LabeledSpan> + '_>> {
        let at = self.problem.at.clone()?;
        let label = miette::LabeledSpan::new_primary_with_span(Some("here".to_owned()), at);
        Some(Box::new(std::iter::once(label)))
    }
}
