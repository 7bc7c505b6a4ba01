//! `ingero-recorder`: the daemon. Everything it does is in the library beside it.

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use ingero_recorder::{
    Error, Result,
    config::{Config, ConfigFile},
    journal, service,
};

const DEFAULT_CONFIG: &str = "/etc/ingero-recorder/recorder.toml";

/// Records every CUDA call and scheduling decision of GPU processes, always.
#[derive(Parser)]
#[command(name = "ingero-recorder", version, about)]
struct Cli {
    /// Configuration file [default: /etc/ingero-recorder/recorder.toml, if it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where ring, frozen windows and bundles live
    #[arg(long, value_name = "DIR", default_value = "/var/lib/ingero-recorder")]
    state_dir: PathBuf,
    /// Where the control socket lives
    #[arg(long, value_name = "DIR", default_value = "/run/ingero-recorder")]
    run_dir: PathBuf,
    /// Read the configuration, print what would be in force as TOML, and exit
    #[arg(long)]
    check_config: bool,
    /// Remove probes that a killed recorder left in place in the kernel, and exit
    #[arg(long)]
    release: bool,
    /// Say as JSON whether this host is fit and what would be recorded, and exit
    #[arg(long)]
    check_host: bool,
}

fn main() -> ExitCode {
    ingero_recorder::memory::keep_small();
    // For itself: see budget::calibrate and attach::safety.
    if std::env::args().nth(1).as_deref() == Some(ingero_recorder::budget::MEASURE) {
        ingero_recorder::budget::measure();
        return ExitCode::SUCCESS;
    }
    if std::env::args().nth(1).as_deref() == Some(ingero_recorder::attach::safety::TEST) {
        ingero_recorder::attach::safety::subject();
        return ExitCode::SUCCESS;
    }
    match start(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            journal::error(&e.to_string());
            ExitCode::from(code(&e))
        }
    }
}

// A service manager must know when starting again is of no use: `EX_CONFIG` of sysexits.h, which systemd names.
fn code(e: &Error) -> u8 {
    let of_no_use = matches!(e, Error::Config(_) | Error::Kernel { .. });
    if of_no_use && std::env::var_os("NOTIFY_SOCKET").is_some() { 78 } else { 1 }
}

fn start(cli: Cli) -> Result<()> {
    if cli.release {
        let found = service::release(&cli.state_dir)?;
        println!("{}", if found { "released" } else { "nothing was left in place" });
        return Ok(());
    }
    let file = cli.config.map_or_else(|| ConfigFile::Default(DEFAULT_CONFIG.into()), ConfigFile::Named);
    let config = Config::from_file(&file)?;
    if cli.check_config {
        print!("{}", config.to_toml()?);
        return Ok(());
    }
    if cli.check_host {
        let report =
            serde_json::to_string(&service::host_report(&config)).map_err(|e| Error::Other(e.to_string()))?;
        println!("{report}");
        return Ok(());
    }
    let paths = service::Paths { config: file, state_dir: cli.state_dir, run_dir: cli.run_dir };
    service::run(config, &paths)
}
