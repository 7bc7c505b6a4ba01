//! What the service manager and the journal are told while the recorder runs.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use ingero_format::units::show_count;

use crate::{journal, progress::LossKey, status::StatusParts};

/// Losses go on for as long as something is wrong: the journal hears of each kind once in this time.
const LOSSES_EVERY: Duration = Duration::from_secs(60);
/// The service manager keeps longer status lines, but nobody reads them.
const LINE_BYTES: usize = 800;

/// Losses that the journal knows of.
#[derive(Default)]
pub(super) struct Told {
    losses: BTreeMap<LossKey, (u64, Option<Instant>)>,
}

impl Told {
    /// Tells the journal of losses that it does not know of.
    pub(super) fn losses(&mut self, lost: &BTreeMap<LossKey, u64>) {
        for ((source, cause), count) in lost {
            let (known, at) = self.losses.entry((*source, *cause)).or_default();
            if count <= known || at.is_some_and(|at| at.elapsed() < LOSSES_EVERY) {
                continue;
            }
            let (more, count_text) = (count - *known, count.to_string());
            (*known, *at) = (*count, Some(Instant::now()));
            journal::fields(
                journal::WARNING,
                &format!("{} {} events lost: {}", show_count(more), source.name(), cause.name()),
                &[
                    ("INGERO_LOSS_SOURCE", source.name()),
                    ("INGERO_LOSS_CAUSE", cause.name()),
                    ("INGERO_LOSS_COUNT", &count_text),
                ],
            );
        }
    }
}

// In the unit that a person would use.
fn held(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
    }
}

/// The line that `systemctl status` shows: how much past is held, what is lost, and what is wrong.
pub(super) fn line(parts: &StatusParts) -> String {
    let (oldest, newest) = parts.span();
    let progress = &parts.progress;
    let lost = progress.lost_total();
    let warnings = parts.warnings();
    let state = parts.state();
    let mut line = format!("{state}: {} of past held, ", held(newest.saturating_sub(oldest) / 1_000_000_000));
    line += &match lost {
        0 => "nothing lost".to_owned(),
        lost => format!("{} events lost", show_count(lost)),
    };
    for (told, warning) in warnings.iter().enumerate() {
        if line.len() + warning.len() > LINE_BYTES {
            line += &format!("; {} warnings more: ingeroctl status", warnings.len() - told);
            break;
        }
        line += &format!("; {warning}");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_past_held_is_told_in_the_unit_that_a_person_would_use() {
        for (seconds, text) in
            [(0, "0 s"), (119, "119 s"), (600, "10 min"), (7_199, "119 min"), (90_061, "25 h 1 min")]
        {
            assert_eq!(held(seconds), text);
        }
    }
}
