//! `ingeroctl`: asks the recorder for windows, and windows for what happened in them.
//!
//! Data flows one way:
//!
//! | module | step |
//! |---|---|
//! | [`load`] | a bundle, ring, frozen set or segment becomes a [`model::Trace`] |
//! | [`ingero`] | the database of an Ingero agent becomes traces too |
//! | [`redact`] | names in traces become pseudonyms, if asked |
//! | [`derive`](mod@derive) | off-CPU time inside each call, first uses |
//! | [`investigate`] | a trace's nanoseconds become findings |
//! | [`stats`], [`coverage`] | … become counts and quantiles, and what may be missing |
//! | [`sqlite`] | traces and findings become a database, and a database traces again |
//! | [`recording`] | either form, read alike |
//! | [`explain`] | findings become sentences |
//! | [`export`] | a database becomes files of other tools |
//! | [`mcp`] | the same answers for AI assistants |
//! | [`report`] | … and a page with a timeline |
//! | [`client`], [`verify`], [`demo`] | asking the recorder, checking its files, a whole incident without a GPU |
//! | [`screen`], [`table`], [`aside`] | what a person reads fits, and does nothing; what stands beside the answer |
//! | [`cli`], [`commands`] | what a person types |

mod aside;
mod cli;
mod client;
mod clocks;
mod commands;
mod conversion;
mod coverage;
mod demangle;
mod demo;
mod derive;
mod error;
mod explain;
mod export;
mod folder;
mod ingero;
mod investigate;
mod json;
mod limits;
mod load;
mod mcp;
mod model;
mod output;
mod output_folder;
mod printable;
mod progress;
mod quantile;
mod readiness;
mod recording;
mod redact;
mod report;
mod screen;
mod sqlite;
mod stats;
mod status;
mod table;
mod tally;
mod time;
mod top;
mod verify;

use std::{
    io::{BufWriter, Write},
    process::ExitCode,
};

use clap::FromArgMatches;

use crate::{
    cli::Cli,
    error::{Error, Outcome},
};

const PARTIAL: u8 = 5;

fn main() -> ExitCode {
    let cli = Cli::from_arg_matches(&cli::command().get_matches()).unwrap_or_else(|e| e.exit());
    screen::set_columns(screen::measured());
    // Not locked: the MCP server writes from threads of its own.
    let mut out = BufWriter::new(std::io::stdout());
    let result = cli::run(&cli, &mut out).and_then(|outcome| {
        out.flush()?;
        Ok(outcome)
    });
    match result {
        Ok(Outcome { partial: true }) if cli.strict => {
            aside::say(
                "data was lost or coverage is partial, and --strict was given; the answer above says what",
            );
            ExitCode::from(PARTIAL)
        }
        Ok(_) | Err(Error::Closed) => ExitCode::SUCCESS,
        Err(e) => {
            aside::say(&e.to_string());
            ExitCode::from(e.exit_code())
        }
    }
}
