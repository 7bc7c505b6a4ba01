//! `ingeroctl mcp`.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use ingero_format::units::parse_time_ns;

use super::{Options, Session};
use crate::error::{Error, Outcome};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Answer from this database; without it, from windows of the running recorder.
    #[arg(long, value_name = "DB")]
    db: Option<PathBuf>,
    /// Serve HTTP here, e.g. 127.0.0.1:8642, instead of stdin and stdout.
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,
    /// File whose first line HTTP clients must send as bearer token; needed for addresses that are not loopback.
    #[arg(long, value_name = "FILE", requires = "http")]
    token_file: Option<PathBuf>,
    /// Name by which HTTP clients may call this host, beside its address; may be given several times.
    #[arg(long = "allow-host", value_name = "NAME", requires = "http")]
    hosts: Vec<String>,
    /// Stop a question that takes longer (at most 30s).
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_time_ns)]
    timeout: u64,
}

/// Longest that a question may take.
const MOST_TIME_NS: u64 = 30_000_000_000;

/// Serves until the client goes (stdio) or a signal comes.
///
/// # Errors
/// If the database or the token cannot be read, or the address not be served.
pub fn run(args: &Args, socket: &Path) -> Result<Outcome, Error> {
    if !(1..=MOST_TIME_NS).contains(&args.timeout) {
        return Err(Error::Usage("--timeout: at least 1ns and at most 30s".to_owned()));
    }
    let door = args.http.map(|address| super::door(address, args.token_file.as_deref(), &args.hosts));
    let options = Options { door: door.transpose()? };
    let session = Session::new(args.db.as_deref(), socket, Duration::from_nanos(args.timeout))?;
    super::serve(session, options)?;
    Ok(Outcome::default())
}
