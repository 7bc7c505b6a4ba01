//! What to type: an example at the end of each command's help and page.

use clap::{Arg, Command, CommandFactory};

use super::Cli;

/// By command: lines to type, each with what it is for.
const EXAMPLES: [(&str, &[(&str, &str)]); 22] = [
    ("check", &[("ingeroctl check", "before the first start, and when something is not recorded")]),
    (
        "status",
        &[
            ("ingeroctl status", "how much of the past is held, and what it costs"),
            ("ingeroctl status --json | jq .losses", "what was lost, for a script"),
        ],
    ),
    (
        "snapshot",
        &[
            ("ingeroctl snapshot --last 2m -o slow.ingero", "freeze the last two minutes into a file here"),
            (
                "ingeroctl snapshot --last 30s --reason 'p99 doubled'",
                "leave it with the recorder, with a reason",
            ),
        ],
    ),
    ("snapshots", &[("ingeroctl snapshots", "what was frozen, oldest first")]),
    ("fetch", &[("ingeroctl fetch 20261122T101500-0001 -o slow.ingero", "copy one of them here")]),
    ("rm", &[("ingeroctl rm 20261122T101500-0001", "give its room back to the ring")]),
    (
        "pin",
        &[
            ("ingeroctl pin 20261122T101500-0001", "keep it"),
            ("ingeroctl pin --off 20261122T101500-0001", "let it go when its time comes"),
        ],
    ),
    ("top", &[("ingeroctl top", "q ends it")]),
    (
        "reload",
        &[("ingeroctl reload --wait", "after an edit of recorder.toml; a bad file is refused with its line")],
    ),
    (
        "verify",
        &[
            ("ingeroctl verify slow.ingero", "is every byte and every event accounted for?"),
            ("ingeroctl verify /var/lib/ingero-recorder/ring", "the same for the ring"),
        ],
    ),
    (
        "convert",
        &[
            ("ingeroctl convert slow.ingero -o slow.db", "one bundle"),
            ("ingeroctl convert node1.ingero node2.ingero -o both.db", "several hosts in one investigation"),
            (
                "ingeroctl convert slow.ingero -o send.db --redact --redact-map private.json",
                "pseudonyms for names, to give away; the map stays here",
            ),
        ],
    ),
    ("import", &[("ingeroctl import agent.db -o investigation.db", "the database of an Ingero agent")]),
    (
        "requests",
        &[("ingeroctl requests slow.ingero", "time to first token of each request, and where it went")],
    ),
    (
        "stats",
        &[("ingeroctl stats slow.ingero", "calls by operation with quantiles, threads by off-CPU time")],
    ),
    (
        "explain",
        &[
            ("ingeroctl explain slow.ingero", "the answer, the timeline, the numbers"),
            (
                "ingeroctl explain slow.db --pid 4711 --from=-30s",
                "one process, the window's last half minute",
            ),
        ],
    ),
    (
        "export",
        &[
            (
                "ingeroctl export slow.ingero --format perfetto -o slow.pftrace",
                "open it at ui.perfetto.dev; nothing is uploaded there",
            ),
            ("ingeroctl export slow.db --format parquet -o slow", "a folder for DuckDB, pandas and Spark"),
        ],
    ),
    (
        "report",
        &[("ingeroctl report slow.ingero -o slow.html", "one file with a timeline, for whoever opens it")],
    ),
    (
        "query",
        &[(
            "ingeroctl query slow.db 'SELECT op, p99_ns FROM op_stats' --format csv",
            "the slowest hundredth of each operation",
        )],
    ),
    (
        "mcp",
        &[
            ("ingeroctl mcp --db slow.db", "for an assistant that starts it: stdin and stdout"),
            (
                "ingeroctl mcp --http 127.0.0.1:8642 --token-file token",
                "over HTTP, from windows of the running recorder",
            ),
        ],
    ),
    (
        "demo",
        &[
            ("sudo ingeroctl demo", "a CPU hog and a cold kernel, explained, without a GPU"),
            ("sudo ingeroctl demo data-starvation", "another incident"),
        ],
    ),
    (
        "completions",
        &[("ingeroctl completions bash > /etc/bash_completion.d/ingeroctl", "from the next shell on")],
    ),
    ("man", &[("ingeroctl man -o /usr/local/share/man/man1", "a page for each command")]),
];

/// Commands that ask a recorder: what `--socket` is for. The others take it too, so that a script can give it everywhere.
const ASK: [&str; 10] =
    ["check", "status", "snapshot", "snapshots", "fetch", "rm", "pin", "top", "reload", "mcp"];
/// Commands whose answer may be partial: what `--strict` is for.
const MAY_BE_PARTIAL: [&str; 10] =
    ["status", "snapshot", "verify", "convert", "import", "stats", "requests", "explain", "query", "report"];

/// The command line with its examples; options of all commands are shown where they do something.
#[must_use]
pub fn command() -> Command {
    let mut command = Cli::command();
    let common: Vec<Arg> = command.get_arguments().filter(|arg| arg.is_global_set()).cloned().collect();
    for (name, lines) in EXAMPLES {
        let idle = common.iter().filter(|arg| !acts(arg.get_id().as_str(), name));
        let hidden: Vec<Arg> = idle.map(|arg| arg.clone().hide(true)).collect();
        command = command.mut_subcommand(name, |c| c.after_help(text(lines)).args(hidden));
    }
    command
}

fn acts(option: &str, command: &str) -> bool {
    match option {
        "socket" => ASK.contains(&command),
        "strict" => MAY_BE_PARTIAL.contains(&command),
        _ => true,
    }
}

fn text(lines: &[(&str, &str)]) -> String {
    let title = if lines.len() == 1 { "Example:" } else { "Examples:" };
    let lines = lines.iter().map(|(line, why)| format!("\n  {line}\n      {why}"));
    title.to_owned() + &lines.collect::<String>()
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;

    use super::*;

    fn words(line: &str) -> Vec<String> {
        let (mut words, mut quoted) = (vec![String::new()], false);
        for c in line.trim_start_matches("sudo ").chars() {
            match (c, quoted) {
                ('\'', _) => quoted = !quoted,
                (' ', false) => words.push(String::new()),
                _ => words.iter_mut().last().into_iter().for_each(|w| w.push(c)),
            }
        }
        words
    }

    #[test]
    fn options_of_all_commands_are_taken_by_all_and_shown_where_they_do_something() {
        let options = [("--socket", ASK), ("--strict", MAY_BE_PARTIAL)];
        let mut whole = command();
        whole.build();
        for (name, lines) in EXAMPLES {
            let help = whole.find_subcommand_mut(name).unwrap().render_long_help().to_string();
            for (option, shown) in options {
                assert_eq!(help.contains(option), shown.contains(&name), "{name} {option}: {help}");
            }
            let line = lines[0].0.split(['|', '>']).next().unwrap_or_default().trim();
            let given = ["--socket", "/a.sock", "--strict"].map(str::to_owned);
            let matches = command().try_get_matches_from(words(line).into_iter().chain(given)).unwrap();
            let cli = Cli::from_arg_matches(&matches).unwrap();
            assert!(cli.strict && cli.socket.ends_with("a.sock"), "{line}");
        }
    }

    #[test]
    fn every_command_ends_its_help_with_an_example_that_it_understands() {
        for sub in Cli::command().get_subcommands() {
            let name = sub.get_name();
            let (_, lines) = EXAMPLES.iter().find(|(of, _)| *of == name).unwrap_or_else(|| panic!("{name}"));
            assert!(!lines.is_empty(), "{name}");
            for (line, _) in *lines {
                assert!(line.len() <= 78, "{line}: would be broken, and then not be what to type");
                let line = line.split(['|', '>']).next().unwrap_or_default().trim();
                let matches = command().try_get_matches_from(words(line));
                let matches = matches.unwrap_or_else(|e| panic!("{line}: {e}"));
                assert_eq!(matches.subcommand_name(), Some(name), "{line}");
                assert!(Cli::from_arg_matches(&matches).is_ok(), "{line}");
            }
            let help = command().find_subcommand_mut(name).unwrap().render_help().to_string();
            assert!(help.contains(lines[0].0), "{help}");
        }
    }
}
