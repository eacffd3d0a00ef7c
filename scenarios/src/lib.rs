//! What is tested and how it is judged: scenarios, worlds, runner, judge, reports and the command clawproof.

pub mod adapter;
pub mod catalogue;
pub mod cli;
pub mod conform;
pub mod coverage;
pub mod cutpoints;
pub mod distill;
pub mod explore;
pub mod fetch;
pub mod guarded;
pub mod import;
mod interrupt;
pub mod judge;
pub mod matrix;
pub mod museum;
pub mod process;
pub mod prove;
pub mod real;
pub mod redact_bench;
pub mod referee;
pub mod replay;
pub mod report;
pub mod run;
pub mod scenario;
pub mod setup;
mod world;
