//! Plays a flow and keeps what was heard, connection by connection.

mod http;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use gateway_protocol::Keypair;
use indexmap::IndexMap;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::connect::{self, Ink};
use super::flow::{Await, Connect, Flow, Open, Request, Step};
use super::ground::{Ground, LOCAL, PROXY};
use super::line::{Bell, Line};
use super::words::Words;
use super::ws;

/// How long an answer is waited for. Longer than every delay of the gateway.
const PATIENCE: Duration = Duration::from_secs(20);

/// Between two attempts of a client that was told to come back.
const COME_BACK: Duration = Duration::from_millis(500);

/// What was heard: one list per connection, in the order in which they were opened, and what the flow knows.
pub(crate) struct Played {
    pub(crate) heard: IndexMap<String, Vec<Value>>,
    /// Connections that were open at the end.
    pub(crate) open: BTreeSet<String>,
    /// Names of shapes: answers of which only the shape counts, as (connection, request id).
    pub(crate) shapes: BTreeSet<(String, String)>,
    /// Parts of answers that don't count.
    pub(crate) without: BTreeMap<(String, String), Vec<String>>,
    pub(crate) words: Words,
}

/// One performance of one flow.
pub(crate) struct Player<'a, G> {
    ground: &'a G,
    words: Words,
    salt: u64,
    lines: IndexMap<String, Line>,
    tasks: JoinSet<()>,
    bell: Bell,
    taken: BTreeSet<(String, usize)>,
    keys: BTreeMap<String, Keypair>,
    shapes: BTreeSet<(String, String)>,
    without: BTreeMap<(String, String), Vec<String>>,
    gone: BTreeSet<String>,
    flow: &'a Flow,
}

/// Plays `flow`; `index` tells flows that share a gateway apart, `salt` runs that do.
///
/// # Errors
/// When the ground lacks something that the flow needs, or the flow is wrong in itself.
pub(crate) async fn play<G: Ground>(
    ground: &G,
    flow: &Flow,
    index: usize,
    salt: u64,
) -> Result<Played, String> {
    let (bell, _) = watch::channel(0);
    let mut player = Player {
        ground,
        words: Words::new(ground, index),
        salt,
        lines: IndexMap::new(),
        tasks: JoinSet::new(),
        bell: Arc::new(bell),
        taken: BTreeSet::new(),
        keys: BTreeMap::new(),
        shapes: BTreeSet::new(),
        without: BTreeMap::new(),
        gone: BTreeSet::new(),
        flow,
    };
    for (number, step) in flow.steps.iter().enumerate() {
        player
            .step(step)
            .await
            .map_err(|problem| format!("step {}: {problem}", number + 1))?;
    }
    player.settle().await;
    Ok(player.finish())
}

impl<G: Ground> Player<'_, G> {
    async fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Open(open) => self.open(open).await,
            Step::Connect(connect) => self.connect(connect).await,
            Step::Request(request) => self.request(request).await,
            Step::Text(message) => {
                let text = padded(self.words.text(&message.text)?, message.pad_to);
                self.line(&message.conn)?.text(&text).await;
                Ok(())
            }
            Step::Binary(message) => {
                let text = padded(self.words.text(&message.text)?, message.pad_to);
                let frame = ws::frame(0x82, true, text.as_bytes());
                self.line(&message.conn)?.write(&frame).await;
                Ok(())
            }
            Step::Ping(message) => {
                let frame = ws::frame(0x89, true, message.text.as_bytes());
                self.line(&message.conn)?.write(&frame).await;
                Ok(())
            }
            Step::Frame(frame) => {
                let mut payload = self.words.text(&frame.text)?.into_bytes();
                payload.extend(&frame.bytes);
                let bytes = ws::frame(frame.head, frame.masked, &payload);
                self.line(&frame.conn)?.write(&bytes).await;
                Ok(())
            }
            Step::Await(wanted) => self.wait(wanted).await,
            Step::Quiet(ms) => {
                tokio::time::sleep(Duration::from_millis(*ms)).await;
                Ok(())
            }
            Step::Close(close) => {
                let payload = ws::close_payload(close.code, &close.reason);
                let frame = ws::frame(0x88, true, &payload);
                self.line(&close.conn)?.write(&frame).await;
                self.until_end(&close.conn, PATIENCE).await;
                Ok(())
            }
            Step::Abort(on) => {
                self.gone.insert(on.conn.clone());
                self.line_mut(&on.conn)?.hang_up();
                Ok(())
            }
            Step::Http(http) => self.http(http).await,
            Step::SetupCode(code) => self.setup_code(&code.name, code.limited).await,
            Step::Restart(restart) => {
                let token = match &restart.token {
                    Some(token) => Some(self.words.text(token)?),
                    None => None,
                };
                self.ground.restart(token.as_deref()).await
            }
            Step::Reload(reload) => self.ground.reload(&self.words.file(&reload.config)?).await,
            Step::Stop(_) => self.ground.stop().await,
        }
    }

    // --- opening -----------------------------------------------------------------------------------

    async fn open(&mut self, open: &Open) -> Result<(), String> {
        for number in 1..=open.times {
            let name = numbered(&open.conn, number);
            self.open_one(&name, open).await?;
        }
        Ok(())
    }

    async fn open_one(&mut self, name: &str, open: &Open) -> Result<(), String> {
        let authority = self.ground.authority();
        let (ip, mut headers) = self.origin_of(open.from.as_deref(), &authority, true)?;
        self.change_headers(&mut headers, &open.headers)?;
        let path = self.words.text(open.path.as_deref().unwrap_or("/"))?;
        let head = ws::request_head(open.method.as_deref().unwrap_or("GET"), &path, &headers);
        let line = self.dial(ip, &head, open.show).await;
        let upgraded = !line.heard.has_ended();
        self.lines.insert(name.to_owned(), line);
        if upgraded && open.challenge {
            self.challenge(name).await;
        }
        Ok(())
    }

    async fn dial(&mut self, ip: IpAddr, head: &str, show: bool) -> Line {
        let mut stream = match self.ground.dial(ip).await {
            Ok(stream) => stream,
            Err(error) => {
                let line = Line::silent(&self.bell);
                tracing::debug!(%error, "nobody listens");
                line.note(json!({"end": "refused"}));
                return line;
            }
        };
        let mut rest = Vec::new();
        let answer = async {
            ws::send(&mut stream, head.as_bytes()).await?;
            ws::read_head(&mut stream, &mut rest).await
        };
        let answer = match tokio::time::timeout(PATIENCE, answer).await {
            Ok(answer) => answer,
            Err(_late) => Err(std::io::ErrorKind::TimedOut.into()),
        };
        match answer {
            Ok(answered) if answered.status == 101 => {
                let line = Line::upgraded(stream, rest, &mut self.tasks, &self.bell);
                if show {
                    line.note(connect::http_entry(&answered, &[], "upgrade"));
                }
                line
            }
            Ok(answered) => {
                let line = Line::silent(&self.bell);
                let body = ws::read_body(&mut stream, &answered, rest);
                let body = tokio::time::timeout(PATIENCE, body).await;
                let body = body.ok().and_then(Result::ok).unwrap_or_default();
                line.note(connect::http_entry(&answered, &body, "http"));
                line
            }
            Err(error) => {
                let line = Line::silent(&self.bell);
                tracing::debug!(%error, "no answer to the upgrade");
                let end = if error.kind() == std::io::ErrorKind::TimedOut {
                    "no answer"
                } else {
                    "hung up"
                };
                line.note(json!({"end": end}));
                line
            }
        }
    }

    /// Address and headers of a client that comes from somewhere.
    fn origin_of(
        &self,
        from: Option<&str>,
        authority: &str,
        upgrade: bool,
    ) -> Result<(IpAddr, Vec<(String, String)>), String> {
        let mut headers = if upgrade {
            ws::upgrade_headers(authority)
        } else {
            vec![("Host".to_owned(), authority.to_owned())]
        };
        let forwarded = |word: &str| self.words.text(word);
        let ip = match from.unwrap_or("local") {
            "local" => LOCAL,
            "remote" => {
                headers.push(("X-Forwarded-For".to_owned(), forwarded("$ip")?));
                PROXY
            }
            "remote2" => {
                headers.push(("X-Forwarded-For".to_owned(), forwarded("$ip2")?));
                PROXY
            }
            ip => ip.parse().map_err(|_| {
                format!("from: {ip} is neither local, remote, remote2 nor an address")
            })?,
        };
        Ok((ip, headers))
    }

    async fn challenge(&mut self, name: &str) {
        let found = self
            .until(name, PATIENCE, |_, entry| {
                (entry["event"] == "connect.challenge").then(|| entry.clone())
            })
            .await;
        if let Some(nonce) = found
            .as_ref()
            .and_then(|entry| entry["payload"]["nonce"].as_str())
        {
            self.words.learn(&format!("nonce:{name}"), nonce);
        }
    }

    // --- talking -----------------------------------------------------------------------------------

    async fn connect(&mut self, plan: &Connect) -> Result<(), String> {
        for number in 1..=plan.times {
            let name = numbered(&plan.conn, number);
            loop {
                if !self.lines.contains_key(&name) {
                    self.open_for(&name, plan).await?;
                }
                let answer = self.connect_one(&name, plan).await?;
                let starting = answer.as_ref().is_some_and(|answer| {
                    answer["error"]["details"]["reason"] == "startup-sidecars"
                });
                if !(plan.patient && starting) {
                    break;
                }
                self.lines.shift_remove(&name);
                tokio::time::sleep(COME_BACK).await;
            }
        }
        Ok(())
    }

    async fn open_for(&mut self, name: &str, plan: &Connect) -> Result<(), String> {
        let open = Open {
            conn: name.to_owned(),
            from: plan.from.clone(),
            path: None,
            method: None,
            headers: plan.headers.clone(),
            challenge: true,
            show: false,
            times: 1,
        };
        self.open_one(name, &open).await
    }

    async fn connect_one(&mut self, name: &str, plan: &Connect) -> Result<Option<Value>, String> {
        let id = self.next_id(name, None)?;
        let ink = Ink {
            key: plan.device.as_ref().map(|device| self.key(device)),
            nonce: self
                .words
                .known(&format!("nonce:{name}"))
                .unwrap_or_default(),
            now_ms: self.ground.now_ms(),
        };
        let params = connect::params(plan, &ink, &self.words)?;
        let frame = json!({"type": "req", "id": id, "method": "connect", "params": params});
        let text = padded(frame.to_string(), plan.pad_to);
        let head = if plan.binary { 0x82 } else { 0x81 };
        self.line(name)?
            .write(&ws::frame(head, true, text.as_bytes()))
            .await;
        if plan.nowait {
            return Ok(None);
        }
        let answer = self.answer(name, &id).await;
        if let Some(answer) = &answer {
            self.capture(&plan.capture, answer)?;
            if answer["ok"] == false {
                self.until_end(name, PATIENCE).await;
            }
        }
        Ok(answer)
    }

    async fn request(&mut self, plan: &Request) -> Result<(), String> {
        for _ in 0..plan.times {
            let id = self.next_id(&plan.conn, plan.id.as_deref())?;
            let mut frame =
                json!({"type": "req", "id": id, "method": self.words.text(&plan.method)?});
            if let Some(params) = &plan.params {
                frame["params"] = self.words.value(params)?;
            }
            if plan.shape {
                self.shapes.insert((plan.conn.clone(), id.clone()));
            }
            self.without
                .insert((plan.conn.clone(), id.clone()), plan.without.clone());
            self.line(&plan.conn)?.text(&frame.to_string()).await;
            if plan.nowait {
                continue;
            }
            if let Some(answer) = self.answer(&plan.conn, &id).await {
                self.capture(&plan.capture, &answer)?;
            }
        }
        Ok(())
    }

    /// The answer to a request; nothing when the connection ended first.
    async fn answer(&self, name: &str, id: &str) -> Option<Value> {
        let found = self
            .until(name, PATIENCE, |_, entry| {
                (entry["type"] == "res" && entry["id"] == id).then(|| entry.clone())
            })
            .await;
        if found.is_none()
            && !self
                .lines
                .get(name)
                .is_some_and(|line| line.heard.has_ended())
        {
            self.note(name, json!({"timeout": format!("no answer to {id}")}));
        }
        found
    }

    async fn wait(&mut self, wanted: &Await) -> Result<(), String> {
        let within = wanted.within.map_or(PATIENCE, Duration::from_millis);
        if wanted.end {
            self.until_end(&wanted.conn, within).await;
            return Ok(());
        }
        if let Some(id) = &wanted.answer {
            let id = self.words.text(id)?;
            if let Some(answer) = self.answer(&wanted.conn, &id).await {
                self.capture(&wanted.capture, &answer)?;
            }
            return Ok(());
        }
        let Some(event) = wanted.event.clone() else {
            return Err("await: one of event, answer and end is needed".to_owned());
        };
        self.line(&wanted.conn)?;
        let taken = self.taken.clone();
        let conn = wanted.conn.clone();
        let words = self.words.clone();
        let found = self
            .until(&wanted.conn, within, |index, entry| {
                let fits = entry["event"] == event.as_str()
                    && !taken.contains(&(conn.clone(), index))
                    && !words.is_foreign(entry);
                fits.then(|| (index, entry.clone()))
            })
            .await;
        if let Some((index, entry)) = found {
            self.taken.insert((wanted.conn.clone(), index));
            return self.capture(&wanted.capture, &entry);
        }
        // What did not come has no parts; what uses them then differs.
        for name in wanted.capture.keys() {
            self.words.learn(name, "<missing>");
        }
        let entry = json!({"timeout": format!("no event {event}")});
        self.note(&wanted.conn, entry);
        Ok(())
    }

    async fn setup_code(&mut self, name: &str, limited: bool) -> Result<(), String> {
        let code = self.ground.mint(limited).await?;
        let decoded = gateway_protocol::SetupCode::decode(&code)
            .map_err(|error| format!("the gateway's setup code does not decode: {error}"))?;
        let token = decoded
            .bootstrap_token
            .ok_or("the setup code holds no bootstrap token")?;
        self.words.learn(name, token.expose());
        Ok(())
    }

    // --- waiting -----------------------------------------------------------------------------------

    /// Waits until `wanted` finds something on a connection, the connection ends, or it takes too long.
    async fn until<T>(
        &self,
        name: &str,
        within: Duration,
        mut wanted: impl FnMut(usize, &Value) -> Option<T>,
    ) -> Option<T> {
        let mut bell = self.bell.subscribe();
        let deadline = Instant::now() + within;
        loop {
            bell.mark_unchanged();
            let heard = Arc::clone(&self.lines.get(name)?.heard);
            let ended = heard.has_ended();
            if let Some(found) = heard.find(|(index, entry)| wanted(index, entry)) {
                return Some(found);
            }
            if ended
                || tokio::time::timeout_at(deadline, bell.changed())
                    .await
                    .is_err()
            {
                return None;
            }
        }
    }

    async fn until_end(&self, name: &str, within: Duration) {
        let mut bell = self.bell.subscribe();
        let deadline = Instant::now() + within;
        while self
            .lines
            .get(name)
            .is_some_and(|line| !line.heard.has_ended())
        {
            bell.mark_unchanged();
            if self
                .lines
                .get(name)
                .is_some_and(|line| line.heard.has_ended())
            {
                return;
            }
            if tokio::time::timeout_at(deadline, bell.changed())
                .await
                .is_err()
            {
                self.note(name, json!({"timeout": "still open"}));
                return;
            }
        }
    }

    /// Waits until nothing has arrived for a while.
    async fn settle(&self) {
        let mut bell = self.bell.subscribe();
        let mut total: usize = self.lines.values().map(|line| line.heard.len()).sum();
        // Bounded: a gateway that never falls silent must not hold the run.
        for _ in 0..20 {
            bell.mark_unchanged();
            let quiet = tokio::time::timeout(self.ground.settle(), async {
                if bell.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            });
            if quiet.await.is_err() {
                return;
            }
            let heard = self.lines.values().map(|line| line.heard.len()).sum();
            if heard == total {
                continue;
            }
            total = heard;
        }
    }

    // --- small things ------------------------------------------------------------------------------

    fn key(&mut self, name: &str) -> Keypair {
        let (salt, flow) = (self.salt, &self.flow.id);
        let key = self.keys.entry(name.to_owned()).or_insert_with(|| {
            Keypair::from_seed(Sha256::digest(format!("{salt}|{flow}|{name}")).into())
        });
        self.words.learn_device(name, key);
        key.clone()
    }

    fn capture(&mut self, wanted: &BTreeMap<String, String>, frame: &Value) -> Result<(), String> {
        for (name, pointer) in wanted {
            // A part that is not there is the gateway's doing; what uses it then differs.
            let found = frame
                .pointer(pointer)
                .cloned()
                .unwrap_or_else(|| "<missing>".into());
            match found {
                Value::String(text) => self.words.learn(name, &text),
                other => self.words.learn(name, &other.to_string()),
            }
            if name.contains('$') {
                return Err(format!("capture: {name} is no name"));
            }
        }
        Ok(())
    }

    fn note(&self, name: &str, entry: Value) {
        if let Some(line) = self.lines.get(name) {
            line.note(entry);
        }
    }

    fn next_id(&mut self, name: &str, given: Option<&str>) -> Result<String, String> {
        let given = given.map(|id| self.words.text(id)).transpose()?;
        let line = self.line_mut(name)?;
        line.ids += 1;
        Ok(given.unwrap_or_else(|| line.ids.to_string()))
    }

    fn line(&self, name: &str) -> Result<&Line, String> {
        self.lines
            .get(name)
            .ok_or_else(|| format!("no connection is called {name}"))
    }

    fn line_mut(&mut self, name: &str) -> Result<&mut Line, String> {
        self.lines
            .get_mut(name)
            .ok_or_else(|| format!("no connection is called {name}"))
    }

    fn finish(self) -> Played {
        let open = self
            .lines
            .iter()
            .filter(|(name, line)| !line.heard.has_ended() && !self.gone.contains(*name))
            .map(|(name, _)| name.clone())
            .collect();
        let heard = self
            .lines
            .iter()
            .map(|(name, line)| (name.clone(), line.heard.entries()))
            .collect();
        Played {
            heard,
            open,
            shapes: self.shapes,
            without: self.without,
            words: self.words,
        }
    }
}

fn numbered(name: &str, number: usize) -> String {
    if number == 1 {
        name.to_owned()
    } else {
        format!("{name}#{number}")
    }
}

fn padded(mut text: String, to: Option<usize>) -> String {
    let missing = to.unwrap_or_default().saturating_sub(text.len());
    text.push_str(&" ".repeat(missing));
    text
}
