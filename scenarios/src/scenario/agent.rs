//! What the scripted agent says (`[gateway.agent]`, and the file of `clawproof serve --agent-script`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::diagnostic::Problems;
use super::lapse::Lapse;
use super::located::Located;
use super::parsing::explain;

/// Answers to chat messages and agent turns; the agent echoes what no turn answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AgentPlan {
    /// Tried in order: the first one that fits and has uses left answers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub turn: Vec<Located<TurnPlan>>,
}

/// One answer of the agent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TurnPlan {
    /// Answers messages that contain this text, whatever the case; any message when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// Answers in this chat session only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// How often at most; always when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// What it says; `$message` in it stands for the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What it says, piece by piece, instead of `text`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deltas: Vec<String>,
    /// Into how many pieces `text` is cut, at the spaces; 3 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pieces: Option<usize>,
    /// From the start of the turn to the first piece; 50 ms when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Lapse>,
    /// From piece to piece, and from the last one to the end; 150 ms when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<Lapse>,
    /// How the turn ends; with its whole text when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends: Option<TurnEnd>,
    /// What went wrong, for a turn that ends with an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// How a turn of the agent ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TurnEnd {
    /// With its whole text.
    #[default]
    Final,
    /// With an error.
    Error,
    /// Not at all, until it is aborted.
    Never,
}

/// Reads the file of `clawproof serve --agent-script`: `[[turn]]` tables.
///
/// # Errors
/// What is wrong, with its place in the file.
pub fn parse_agent(file: &str, text: &str) -> Result<AgentPlan, Problems> {
    let problems = |list| Problems {
        file: file.to_owned(),
        text: text.to_owned(),
        list,
    };
    let plan: AgentPlan =
        toml::from_str(text).map_err(|error| problems(vec![explain(&error, text)]))?;
    let list: Vec<_> = plan.problems().collect();
    if list.is_empty() {
        Ok(plan)
    } else {
        Err(problems(list))
    }
}

impl AgentPlan {
    /// Turns that say too little or too much.
    pub(super) fn problems(&self) -> impl Iterator<Item = super::Problem> + '_ {
        self.turn.iter().filter_map(|turn| {
            let (message, help) = turn.value.contradiction()?;
            let problem = super::Problem::error("scenario::bad_turn", message.to_owned());
            Some(problem.at(turn.at.clone()).help(help))
        })
    }
}

impl TurnPlan {
    fn contradiction(&self) -> Option<(&'static str, &'static str)> {
        let ends = self.ends.unwrap_or_default();
        if self.text.is_some() && !self.deltas.is_empty() {
            return Some((
                "a turn has both `text` and `deltas`",
                "`deltas` is the same text, cut by hand: keep one of the two",
            ));
        }
        if self.pieces.is_some() && self.text.is_none() {
            return Some(("`pieces` without `text`", "only `text` is cut into pieces"));
        }
        if self.pieces == Some(0) {
            return Some(("`pieces` is 0", "a text has at least one piece"));
        }
        if self.error.is_some() && ends != TurnEnd::Error {
            return Some((
                "`error` in a turn that does not end with one",
                "add `ends = \"error\"`",
            ));
        }
        let silent = self.text.is_none() && self.deltas.is_empty();
        (silent && ends == TurnEnd::Final).then_some((
            "a turn says nothing",
            "give it `text` or `deltas`, or `ends = \"error\"` or `\"never\"`",
        ))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("[[turn]]\ntext = \"hi\"", None)]
    #[case("[[turn]]\nends = \"never\"", None)]
    #[case("[[turn]]\ncontains = \"x\"", Some("a turn says nothing"))]
    #[case(
        "[[turn]]\ntext = \"a\"\ndeltas = [\"a\"]",
        Some("a turn has both `text` and `deltas`")
    )]
    #[case(
        "[[turn]]\ntext = \"a\"\nerror = \"b\"",
        Some("`error` in a turn that does not end with one")
    )]
    #[case("[[turn]]\ntext = \"a\"\npieces = 0", Some("`pieces` is 0"))]
    #[case("[[turns]]\ntext = \"a\"", Some("unknown field `turns`"))]
    #[case(
        "[[turn]]\ntext = \"a\"\nafter = \"soon\"",
        Some(
            "read \"soon\" as a length of time: expected something like \"35s\", \"200ms\" or \"1m 30s\""
        )
    )]
    fn scripts(#[case] text: &str, #[case] problem: Option<&str>) {
        let parsed = parse_agent("agent.toml", text);
        let found = parsed
            .err()
            .map(|problems| problems.list[0].message.clone());
        assert_eq!(found.as_deref(), problem);
    }
}
