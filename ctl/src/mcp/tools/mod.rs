//! One module for each tool: its parameters, its answer, and how the one becomes the other.
//!
//! A new tool is one file here, one line in [`all`], and one line in `docs/MCP.md`.

mod chains;
mod check;
mod compare;
mod coverage;
mod fleet;
mod frames;
mod graphs;
mod off_cpu;
mod schema;
mod snapshots;
mod sql;
mod stacks;
mod stats;
mod timeline;

use std::sync::Arc;

use rmcp::{
    handler::server::tool::{schema_for_input, schema_for_output},
    model::{JsonObject, Tool, ToolAnnotations},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    answer::{self, About, Answer, Told},
    desk::Desk,
    params,
    refusal::Refusal,
    session::Session,
    short,
};
use crate::sqlite::Stop;

type Run = Box<dyn Fn(&Session, &Arc<Stop>, Option<JsonObject>) -> Result<Value, Refusal> + Send + Sync>;

/// An answer, and what it is about.
type Said<T> = Result<(Told<T>, About), Refusal>;

/// A tool as it is listed, and what it does.
pub struct Entry {
    /// Name, description and schemas.
    pub tool: Tool,
    /// Answers; blocks.
    pub run: Run,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("tool", &self.tool.name).finish_non_exhaustive()
    }
}

/// Every tool, in the order in which they are listed.
#[must_use]
pub fn all() -> Vec<Entry> {
    vec![
        server("get_check", check::ABOUT, check::run),
        desk("get_trace_stats", stats::ABOUT, stats::run),
        desk("get_causal_chains", chains::ABOUT, chains::run),
        desk("get_stacks", stacks::ABOUT, stacks::run),
        sql::entry(),
        desk("graph_lifecycle", graphs::LIFECYCLE, graphs::lifecycle),
        desk("graph_frequency", graphs::FREQUENCY, graphs::frequency),
        fleet::entry(),
        writing(server("take_snapshot", snapshots::TAKE, snapshots::take)),
        server("list_snapshots", snapshots::LIST, snapshots::list),
        desk("get_coverage", coverage::ABOUT, coverage::run),
        desk("get_off_cpu", off_cpu::ABOUT, off_cpu::run),
        desk("get_timeline", timeline::ABOUT, timeline::run),
        desk("compare_windows", compare::ABOUT, compare::run),
    ]
}

/// Parameters.
#[derive(Debug, Deserialize, JsonSchema)]
struct Asked<P> {
    #[serde(flatten)]
    own: P,
    /// Short keys.
    #[serde(default)]
    tsc: Option<bool>,
}

/// A tool that asks the current investigation.
fn desk<P, T>(name: &'static str, about: &'static str, run: fn(&Desk, P) -> Result<Told<T>, Refusal>) -> Entry
where
    P: DeserializeOwned + JsonSchema + 'static,
    T: Serialize + JsonSchema + 'static,
{
    desk_and_stop(name, about, move |desk, params, _| run(desk, params))
}

/// A tool that asks the current investigation, and must know when to stop.
fn desk_and_stop<P, T>(
    name: &'static str,
    about: &'static str,
    run: impl Fn(&Desk, P, &Arc<Stop>) -> Result<Told<T>, Refusal> + Send + Sync + 'static,
) -> Entry
where
    P: DeserializeOwned + JsonSchema + 'static,
    T: Serialize + JsonSchema + 'static,
{
    entry::<Asked<P>, T>(name, about, move |session, stop, asked| {
        let desk = Desk::open(session.current()?, stop)?;
        let told = run(&desk, asked.own, stop)?;
        let about = desk.about(told.span)?;
        answer::seal(told, about, asked.tsc.unwrap_or(false))
    })
}

/// A tool that may do without an investigation; it says what the answer is about.
fn server<P, T>(name: &'static str, about: &'static str, run: fn(&Session, P) -> Said<T>) -> Entry
where
    P: DeserializeOwned + JsonSchema + 'static,
    T: Serialize + JsonSchema + 'static,
{
    entry::<P, T>(name, about, move |session, _, params| {
        let (told, about) = run(session, params)?;
        answer::seal(told, about, false)
    })
}

fn entry<P, T>(
    name: &'static str,
    about: &'static str,
    run: impl Fn(&Session, &Arc<Stop>, P) -> Result<Value, Refusal> + Send + Sync + 'static,
) -> Entry
where
    P: DeserializeOwned + JsonSchema + 'static,
    T: Serialize + JsonSchema + 'static,
{
    let mut input = (*schema_for_input::<P>().unwrap_or_default()).clone();
    input.insert("additionalProperties".to_owned(), Value::Bool(false));
    let mut output = (*schema_for_output::<Answer<T>>()).clone();
    schema::lean(&mut input);
    schema::lean(&mut output);
    short::schema(&mut output);
    let tool = Tool::new(name, about, input)
        .with_raw_output_schema(Arc::new(output))
        .with_annotations(ToolAnnotations::new().read_only(true).open_world(false));
    let run = move |session: &Session, stop: &Arc<Stop>, given: Option<JsonObject>| {
        run(session, stop, params::read(name, given)?)
    };
    Entry { tool, run: Box::new(run) }
}

/// A tool that leaves something behind: not a reader, though nothing is destroyed.
fn writing(mut entry: Entry) -> Entry {
    entry.tool.annotations =
        Some(ToolAnnotations::new().read_only(false).destructive(false).idempotent(false).open_world(false));
    entry
}
