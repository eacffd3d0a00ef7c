//! The Model Context Protocol, spoken by the official SDK: without sessions of its own (what a tool counts are chat sessions),
//! and answered with JSON.
//!
//! The gate comes first and is stricter; the SDK sees only what it let through. ref: client-behaviour.md §23

use std::sync::Arc;

use hyper::header::{ACCEPT, HeaderMap, HeaderValue};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation,
    ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler};

use super::tools::Tools;
use super::{gate, table};

/// The SDK's side of the server.
pub(super) type Rpc = StreamableHttpService<Tools, NeverSessionManager>;

pub(super) fn rpc(tools: Tools) -> Rpc {
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .enforce_origin_validation()
        .with_max_request_body_bytes(gate::MAX_BODY);
    let sessions = Arc::new(NeverSessionManager::default());
    StreamableHttpService::new(move || Ok(tools.clone()), sessions, config)
}

/// Clients of the companion leave out `Accept` or ask for JSON alone, and the SDK refuses a POST that does not accept a
/// stream, too. No answer here is a stream, so saying that one is accepted costs them nothing.
pub(super) fn accept_all(headers: &mut HeaderMap) {
    let both = HeaderValue::from_static("application/json, text/event-stream");
    headers.insert(ACCEPT, both);
}

impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        let own = Implementation::new("clawproof-companion", env!("CARGO_PKG_VERSION"));
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(own)
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(table::list()))
    }

    /// A failure of a tool is a result, so that whoever asked can read it.
    async fn call_tool(
        &self,
        call: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = call.arguments.unwrap_or_default();
        let result = match self.call(&call.name, &arguments).await {
            Ok(value) => CallToolResult::success(vec![ContentBlock::text(value.to_string())]),
            Err(failure) => CallToolResult::error(vec![ContentBlock::text(failure)]),
        };
        Ok(result.into())
    }
}
