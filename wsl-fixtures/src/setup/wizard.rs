//! The gateway's wizard as a client answers it: what a step asks, which answer it gets, how long that may take.
//!
//! Pure: [`Dialogue`] takes what the gateway says and gives the next move. Who carries it is `steps/wizard.rs`.
//!
//! ref: setup-and-wsl.md §7

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::config::Config;

/// Steps that want an answer; a wizard with more goes round in circles.
const STEPS: u32 = 50;
/// How often one step may come back.
const VISITS: u32 = 3;
/// How often a step that works by itself is looked at, a second apart.
const POLLS: u32 = 1_200;
/// What a step may take.
const LIMIT: Duration = Duration::from_secs(30);
/// What a step may take that logs in somewhere or installs something.
const LONG_LIMIT: Duration = Duration::from_mins(5);
/// Words of such steps, in title, message or chosen option.
const LONG_WORDS: [&str; 7] = [
    "auth", "login", "sign in", "install", "download", "oauth", "setup",
];
/// Options that leave things as they are, best first.
const SKIPS: [&str; 4] = ["__skip__", "skip", "__keep__", "keep"];
/// What the gateway's last note is called: all is done when it is acknowledged.
const LAST_NOTE: &str = "done";
/// A gateway whose wizard ends with its last note and says so with this error.
const PROMPT_BUG: &str = "this.prompt is not a function";
/// What a terminal says that was started by the wizard and ended with it.
const TERMINAL_ENDED: &str = "Error: TUI exited from signal SIGTERM";

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Move {
    /// Answer the step.
    Answer {
        /// The parameters of `wizard.next` but for the session.
        answer: Value,
        /// How long the gateway may take.
        limit: Duration,
    },
    /// Wait a second, and ask again.
    Poll,
    /// The wizard is through, with a remark when it ended oddly.
    Done(Option<String>),
}

/// One wizard from its start to its end.
#[derive(Debug)]
pub(super) struct Dialogue<'c> {
    answers: &'c BTreeMap<String, Value>,
    interactive: u32,
    polls: u32,
    visits: BTreeMap<String, u32>,
    /// Every question so far with its answer, for the file that somebody fills in.
    asked: BTreeMap<String, Value>,
    is_last_note: bool,
}

impl<'c> Dialogue<'c> {
    pub(super) fn new(config: &'c Config) -> Self {
        Self {
            answers: &config.wizard_answers,
            interactive: 0,
            polls: 0,
            visits: BTreeMap::new(),
            asked: BTreeMap::new(),
            is_last_note: false,
        }
    }

    /// The slug of the step that was asked last, for a gateway that restarts at it.
    pub(super) fn template(&self) -> Value {
        json!({ "WizardAnswers": self.asked })
    }

    /// The next move after an answer of the gateway.
    ///
    /// # Errors
    /// One sentence: the wizard failed, or can't be answered.
    pub(super) fn next(&mut self, payload: &Value) -> Result<Move, String> {
        if payload.get("done") == Some(&Value::Bool(true)) {
            return self.end(payload);
        }
        let step = Step::read(payload)?;
        self.is_last_note = false;
        match step.kind.as_str() {
            "progress" | "status" | "working" => {
                self.polls += 1;
                if self.polls > POLLS {
                    return Err(format!(
                        "the wizard works on '{}' for too long",
                        step.name()
                    ));
                }
                return Ok(Move::Poll);
            }
            "note" => {
                self.count_visit(&step)?;
                self.is_last_note = step.title.eq_ignore_ascii_case(LAST_NOTE);
                return Ok(Move::Answer {
                    answer: json!({ "stepId": step.id }),
                    limit: step.limit(None),
                });
            }
            _ => {}
        }
        self.count_visit(&step)?;
        self.interactive += 1;
        if self.interactive > STEPS {
            return Err(format!("the wizard has more than {STEPS} questions"));
        }
        let value = self.value(&step)?;
        let limit = step.limit(Some(&value));
        Ok(Move::Answer {
            answer: json!({ "stepId": step.id, "value": value }),
            limit,
        })
    }

    fn end(&self, payload: &Value) -> Result<Move, String> {
        let text = |key: &str| payload.get(key).and_then(Value::as_str).unwrap_or_default();
        let (status, error) = (text("status"), text("error"));
        if status == "done" && error.is_empty() {
            return Ok(Move::Done(None));
        }
        let is_fine =
            error.contains(PROMPT_BUG) || (self.is_last_note && error.trim() == TERMINAL_ENDED);
        if is_fine {
            return Ok(Move::Done(Some(format!("the wizard ended with: {error}"))));
        }
        Err(format!("the wizard ended as {status}: {error}"))
    }

    fn count_visit(&mut self, step: &Step) -> Result<(), String> {
        let visits = self.visits.entry(step.key.clone()).or_default();
        *visits += 1;
        if *visits > VISITS {
            return Err(format!("the wizard asks '{}' again and again", step.name()));
        }
        Ok(())
    }

    fn value(&mut self, step: &Step) -> Result<Value, String> {
        let (slug, shown) = (slug(step.name()), step.shown());
        self.asked.insert(slug.clone(), shown);
        let given = step
            .names()
            .into_iter()
            .find_map(|name| self.answers.get(&name));
        let value = match given {
            Some(given) => step.fit(given)?,
            None => step.usual()?,
        };
        if !step.is_sensitive {
            self.asked.insert(slug, value.clone());
        }
        Ok(value)
    }
}

/// One step.
#[derive(Debug)]
struct Step {
    id: String,
    /// Id and place: a step that comes back has the same.
    key: String,
    kind: String,
    title: String,
    message: String,
    initial: Option<Value>,
    options: Vec<(Value, String)>,
    is_sensitive: bool,
}

impl Step {
    fn read(payload: &Value) -> Result<Self, String> {
        let step = payload.get("step").filter(|step| step.is_object());
        let step = step.ok_or("the wizard gave neither a step nor an end")?;
        let text = |key: &str| {
            let text = step.get(key).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        let id = text("id");
        if id.is_empty() {
            return Err("the wizard gave a step without an id".to_owned());
        }
        let listed = step.get("options").and_then(Value::as_array);
        let options = listed.into_iter().flatten().filter_map(|option| {
            let label = option.get("label").and_then(Value::as_str);
            Some((
                option.get("value")?.clone(),
                label.unwrap_or_default().to_owned(),
            ))
        });
        Ok(Self {
            key: format!("{id} {}", payload.get("stepIndex").unwrap_or(&Value::Null)),
            id,
            kind: text("type"),
            title: text("title"),
            message: text("message"),
            initial: step.get("initialValue").cloned().filter(|it| !it.is_null()),
            options: options.collect(),
            is_sensitive: step.get("sensitive") == Some(&Value::Bool(true)),
        })
    }

    /// What it is called: its question, or its title.
    fn name(&self) -> &str {
        [&self.message, &self.title, &self.id]
            .into_iter()
            .find(|text| !text.is_empty())
            .map_or("", String::as_str)
    }

    /// Names under which an answer may stand.
    fn names(&self) -> Vec<String> {
        let raw = [&self.id, &self.title, &self.message];
        let given = raw.into_iter().filter(|text| !text.is_empty());
        given.flat_map(|text| [text.clone(), slug(text)]).collect()
    }

    /// What a person has to know to answer it.
    fn shown(&self) -> Value {
        if self.options.is_empty() {
            return json!(format!("<{}>", self.kind));
        }
        let values: Vec<&Value> = self.options.iter().map(|(value, _)| value).collect();
        json!({ "oneOf": values })
    }

    fn limit(&self, chosen: Option<&Value>) -> Duration {
        let label = self
            .options
            .iter()
            .find(|(value, _)| Some(value) == chosen)
            .map_or("", |(_, label)| label.as_str());
        let text = format!("{} {} {label}", self.title, self.message).to_lowercase();
        if LONG_WORDS.iter().any(|word| text.contains(word)) {
            LONG_LIMIT
        } else {
            LIMIT
        }
    }

    /// The option that a value or a label names.
    fn option(&self, given: &Value) -> Option<Value> {
        let is_it = |(value, label): &&(Value, String)| {
            value == given || given.as_str().is_some_and(|text| text == label)
        };
        self.options
            .iter()
            .find(is_it)
            .map(|(value, _)| value.clone())
    }

    /// A given answer in the form that the step wants.
    fn fit(&self, given: &Value) -> Result<Value, String> {
        let refused = |expected: String| {
            let got = if self.is_sensitive {
                "something else".to_owned()
            } else {
                given.to_string()
            };
            Err(format!(
                "WizardAnswers, '{}': expected {expected}, got {got}",
                slug(self.name())
            ))
        };
        let fitting = match self.kind.as_str() {
            "confirm" => given
                .as_bool()
                .or_else(|| given.as_str()?.parse().ok())
                .map(Value::Bool),
            "multiselect" => match given.as_array() {
                Some(all) => all.iter().map(|one| self.option(one)).collect(),
                None => self.option(given).map(|one| Value::Array(vec![one])),
            },
            "text" => match given {
                Value::String(_) => Some(given.clone()),
                Value::Number(_) | Value::Bool(_) => Some(Value::String(given.to_string())),
                Value::Null | Value::Array(_) | Value::Object(_) => None,
            },
            _ => self.option(given),
        };
        if let Some(value) = fitting {
            return Ok(value);
        }
        match self.kind.as_str() {
            "confirm" => refused("true or false".to_owned()),
            "text" => refused("a text".to_owned()),
            _ => refused(format!("one of {}", self.shown())),
        }
    }

    /// The answer of a set-up that nobody watches.
    fn usual(&self) -> Result<Value, String> {
        if self.kind == "confirm" {
            // What costs something or changes the machine is not wanted by everybody.
            let text = format!("{} {}", self.title, self.message).to_lowercase();
            return Ok(Value::Bool(
                !(text.contains("skill") || text.contains("api key")),
            ));
        }
        if let Some(initial) = &self.initial {
            let is_list = self.kind == "multiselect" || self.options.is_empty();
            if is_list || self.option(initial).is_some() {
                return Ok(initial.clone());
            }
        }
        let by_itself = SKIPS.iter().find_map(|skip| self.option(&json!(skip)));
        let first = || self.options.first().map(|(value, _)| value.clone());
        let Some(value) = by_itself.or_else(first) else {
            return Err(format!(
                "the wizard asks '{}', and WizardAnswers has no '{}'",
                self.name(),
                slug(self.name())
            ));
        };
        Ok(if self.kind == "multiselect" {
            Value::Array(vec![value])
        } else {
            value
        })
    }
}

/// A name in small letters and digits, with a dash between words.
pub(super) fn slug(text: &str) -> String {
    let lower = text.to_lowercase();
    let words = lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn config(answers: &[(&str, Value)]) -> Config {
        Config {
            wizard_answers: answers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect(),
            ..Config::default()
        }
    }

    fn answered(config: &Config, step: &Value) -> Result<Value, String> {
        let moved = Dialogue::new(config).next(&json!({ "done": false, "step": step }))?;
        match moved {
            Move::Answer { answer, .. } => Ok(answer),
            Move::Poll | Move::Done(_) => Err(format!("{moved:?}")),
        }
    }

    #[rstest]
    #[case::a_note_is_acknowledged(json!({"id": "a", "type": "note", "title": "Hello"}), json!({"stepId": "a"}))]
    #[case::a_confirm_is_yes(json!({"id": "a", "type": "confirm", "message": "Continue?", "initialValue": false}), json!({"stepId": "a", "value": true}))]
    #[case::skills_are_not_wanted(json!({"id": "a", "type": "confirm", "message": "Configure skills now?", "initialValue": true}), json!({"stepId": "a", "value": false}))]
    #[case::what_is_set_stays(json!({"id": "a", "type": "text", "message": "Port", "initialValue": 18789}), json!({"stepId": "a", "value": 18789}))]
    #[case::a_skip_is_taken(json!({"id": "a", "type": "select", "message": "Provider", "options": [{"value": "openai", "label": "OpenAI"}, {"value": "skip", "label": "Skip for now"}]}), json!({"stepId": "a", "value": "skip"}))]
    #[case::else_the_first(json!({"id": "a", "type": "select", "message": "Mode", "options": [{"value": 1, "label": "One"}, {"value": 2, "label": "Two"}]}), json!({"stepId": "a", "value": 1}))]
    #[case::several_skip(json!({"id": "a", "type": "multiselect", "message": "Hooks", "options": [{"value": "x", "label": "X"}, {"value": "__skip__", "label": "Skip"}]}), json!({"stepId": "a", "value": ["__skip__"]}))]
    #[case::an_unknown_type_with_options(json!({"id": "a", "type": "wheel", "message": "Spin", "options": [{"value": "keep", "label": "Keep"}]}), json!({"stepId": "a", "value": "keep"}))]
    fn without_a_given_answer(#[case] step: Value, #[case] expected: Value) {
        assert_eq!(answered(&config(&[]), &step), Ok(expected));
    }

    #[rstest]
    #[case::by_id("s1", json!("b"))]
    #[case::by_title("Model", json!("b"))]
    #[case::by_question("Which model, please?", json!("b"))]
    #[case::by_slug("which-model-please", json!("b"))]
    #[case::by_label("model", json!("The other"))]
    fn a_given_answer_is_found(#[case] name: &str, #[case] given: Value) {
        let step = json!({"id": "s1", "type": "select", "title": "Model", "message": "Which model, please?",
            "initialValue": "a", "options": [{"value": "a", "label": "One"}, {"value": "b", "label": "The other"}]});
        assert_eq!(
            answered(&config(&[(name, given)]), &step),
            Ok(json!({"stepId": "s1", "value": "b"}))
        );
    }

    #[test]
    fn an_answer_that_does_not_fit_says_what_does() {
        let step = json!({"id": "s1", "type": "select", "message": "Mode", "options": [{"value": "a", "label": "A"}]});
        assert_eq!(
            answered(&config(&[("mode", json!("z"))]), &step),
            Err("WizardAnswers, 'mode': expected one of {\"oneOf\":[\"a\"]}, got \"z\"".to_owned())
        );
        let secret = json!({"id": "s1", "type": "text", "message": "Key", "sensitive": true});
        let wrong = answered(&config(&[("key", json!(["abc"]))]), &secret).unwrap_err();
        assert!(!wrong.contains("abc"), "{wrong}");
        let open = json!({"id": "s1", "type": "text", "message": "Your name"});
        let missing = answered(&config(&[]), &open).unwrap_err();
        assert!(
            missing.contains("WizardAnswers has no 'your-name'"),
            "{missing}"
        );
    }

    /// The boundaries, each from both sides.
    #[test]
    fn a_wizard_that_goes_round_in_circles_is_left() {
        let config = config(&[]);
        let step = |n: u32| json!({"done": false, "step": {"id": n.to_string(), "type": "confirm", "message": "More?"}});
        let mut many = Dialogue::new(&config);
        for n in 0..STEPS {
            assert!(many.next(&step(n)).is_ok());
        }
        assert!(
            many.next(&step(STEPS))
                .unwrap_err()
                .contains("more than 50")
        );
        let mut same = Dialogue::new(&config);
        for _ in 0..VISITS {
            assert!(same.next(&step(0)).is_ok());
        }
        assert!(same.next(&step(0)).unwrap_err().contains("again and again"));
        let works =
            json!({"done": false, "step": {"id": "p", "type": "progress", "message": "Working"}});
        let mut busy = Dialogue::new(&config);
        for _ in 0..POLLS {
            assert_eq!(busy.next(&works), Ok(Move::Poll));
        }
        assert!(busy.next(&works).is_err());
    }

    #[rstest]
    #[case::plain(None, json!({"done": true, "status": "done"}), Ok(false))]
    #[case::prompt_bug(None, json!({"done": true, "status": "error", "error": "TypeError: this.prompt is not a function"}), Ok(true))]
    #[case::killed_after_the_last_note(Some("Done"), json!({"done": true, "status": "error", "error": " Error: TUI exited from signal SIGTERM\n"}), Ok(true))]
    #[case::killed_before_it(Some("Token"), json!({"done": true, "status": "error", "error": "Error: TUI exited from signal SIGTERM"}), Err(()))]
    #[case::another_signal(Some("Done"), json!({"done": true, "status": "error", "error": "Error: TUI exited from signal SIGKILL"}), Err(()))]
    #[case::cancelled(None, json!({"done": true, "status": "cancelled", "error": "cancelled"}), Err(()))]
    fn how_a_wizard_ends(
        #[case] note: Option<&str>,
        #[case] end: Value,
        #[case] expected: Result<bool, ()>,
    ) {
        let config = config(&[]);
        let mut dialogue = Dialogue::new(&config);
        if let Some(title) = note {
            let step = json!({"done": false, "step": {"id": "n", "type": "note", "title": title}});
            assert!(dialogue.next(&step).is_ok());
        }
        let ended = dialogue.next(&end).map_err(drop);
        let ended = ended.map(|ended| matches!(ended, Move::Done(Some(_))));
        assert_eq!(ended, expected);
    }

    #[test]
    fn what_logs_in_or_installs_gets_more_time() {
        let config = config(&[]);
        let limit = |message: &str| {
            let step =
                json!({"done": false, "step": {"id": "a", "type": "confirm", "message": message}});
            match Dialogue::new(&config).next(&step) {
                Ok(Move::Answer { limit, .. }) => limit,
                other => Duration::from_secs(u64::from(other.is_ok())),
            }
        };
        assert_eq!(limit("Continue?"), LIMIT);
        assert_eq!(limit("Install the service?"), LONG_LIMIT);
    }
}
