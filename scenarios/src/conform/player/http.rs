//! The plain HTTP requests of a flow.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::super::connect;
use super::super::flow::Http;
use super::super::ground::Ground;
use super::super::line::Line;
use super::super::ws;
use super::{PATIENCE, Player};

impl<G: Ground> Player<'_, G> {
    pub(super) async fn http(&mut self, plan: &Http) -> Result<(), String> {
        for _ in 0..plan.times {
            let entry = self.http_once(plan).await?;
            let bell = Arc::clone(&self.bell);
            let line = self
                .lines
                .entry(plan.conn.clone())
                .or_insert_with(|| Line::silent(&bell));
            line.note(entry);
        }
        Ok(())
    }

    async fn http_once(&self, plan: &Http) -> Result<Value, String> {
        let authority = self.ground.authority();
        let (ip, mut headers) = self.origin_of(plan.from.as_deref(), &authority, false)?;
        headers.push(("Connection".to_owned(), "close".to_owned()));
        let body = self.words.text(plan.body.as_deref().unwrap_or_default())?;
        if plan.body.is_some() {
            headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
            headers.push(("Content-Length".to_owned(), body.len().to_string()));
        }
        self.change_headers(&mut headers, &plan.headers)?;
        let head = ws::request_head(&plan.method, &self.words.text(&plan.path)?, &headers);
        let exchange = async {
            let mut stream = self.ground.dial(ip).await?;
            ws::send(&mut stream, format!("{head}{body}").as_bytes()).await?;
            let mut rest = Vec::new();
            let answered = ws::read_head(&mut stream, &mut rest).await?;
            let body = if plan.method == "HEAD" {
                Vec::new()
            } else {
                ws::read_body(&mut stream, &answered, rest).await?
            };
            Ok::<_, std::io::Error>((answered, body))
        };
        let kind = if plan.shape { "shape" } else { "http" };
        Ok(match tokio::time::timeout(PATIENCE, exchange).await {
            Ok(Ok((answered, body))) => connect::http_entry(&answered, &body, kind),
            Ok(Err(_)) => json!({"end": "hung up"}),
            Err(_) => json!({"end": "no answer"}),
        })
    }

    pub(super) fn change_headers(
        &self,
        headers: &mut Vec<(String, String)>,
        changes: &BTreeMap<String, String>,
    ) -> Result<(), String> {
        for (name, value) in changes {
            headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
            if value != "$absent" {
                headers.push((name.clone(), self.words.text(value)?));
            }
        }
        Ok(())
    }
}
