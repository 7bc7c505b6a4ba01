//! One frame of the live view: the past held first, then rates, cost, triggers, and the GPU processes.

use ingero_format::{
    control::{ProcessStatus, Status},
    units::{show_bytes, show_count},
};
use ratatui::{
    Frame,
    layout::{Constraint, Layout},
    style::{Modifier, Style},
    text::{Line, Span},
    widgets::{Block, Borders, Cell, Paragraph, Row, Table, Wrap},
};

use super::rates::View;
use crate::{printable::printable, status::limit};

const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);

/// Draws the view.
pub fn draw(frame: &mut Frame<'_>, view: &View) {
    let above = lines(view);
    let width = usize::from(frame.area().width).max(1);
    // Long lines are wrapped at words, which can cost one row more.
    let rows = |line: &Line<'_>| if line.width() <= width { 1 } else { line.width().div_ceil(width) + 1 };
    let height = above.iter().map(rows).sum::<usize>() as u16;
    let [head, processes, foot] =
        Layout::vertical([Constraint::Length(height), Constraint::Min(3), Constraint::Length(1)])
            .areas(frame.area());
    frame.render_widget(Paragraph::new(above).wrap(Wrap { trim: false }), head);
    frame.render_widget(table(&view.status.processes), processes);
    frame.render_widget(Paragraph::new("q quits"), foot);
}

fn lines(view: &View) -> Vec<Line<'static>> {
    let s = &view.status;
    let mut lines = vec![Line::from(vec![
        Span::styled(format!("{} of past held", show_held(s.seconds_held)), BOLD),
        Span::raw(format!(
            "   {} of {}, {} segments   {}",
            show_bytes(s.ring.bytes),
            show_bytes(s.ring.max_bytes),
            s.ring.segments,
            s.state
        )),
    ])];
    if let Some(why) = &view.silence {
        lines.push(Line::styled(format!("no answer: {}", printable(why)), BOLD));
    }
    lines.push(Line::raw(events(view)));
    for loss in &s.losses {
        lines.push(Line::raw(format!(
            "lost       {} {} ({})",
            show_count(loss.count),
            loss.source,
            loss.cause
        )));
    }
    lines.push(Line::raw(cost(s)));
    lines.push(Line::raw(format!(
        "snapshots  {} taken, {} joined, {} failed, {} on disk",
        s.snapshots.taken, s.snapshots.coalesced, s.snapshots.failed, s.snapshots.held
    )));
    lines.push(Line::raw(triggers(s)));
    lines.extend(s.warnings.iter().map(|w| Line::raw(format!("warning    {}", printable(w)))));
    lines
}

fn events(view: &View) -> String {
    let e = &view.status.events;
    let rate = match view.rates {
        Some([produced, stored, lost]) => {
            format!(" (each second {produced:.0}, {stored:.0}, {lost:.0})")
        }
        None => String::new(),
    };
    format!(
        "events     {} produced, {} stored, {} lost{rate}, {} evicted",
        show_count(e.produced),
        show_count(e.stored),
        show_count(e.lost),
        show_count(e.evicted)
    )
}

fn cost(s: &Status) -> String {
    format!(
        "cost       {:.2} % of a core{}, busiest thread {:.2} %{}, {:.1} bytes an event",
        s.cost.daemon_cpu_percent,
        limit(s.cost.daemon_limit_percent),
        s.cost.thread_percent.unwrap_or(0.0),
        limit(s.cost.thread_limit_percent),
        s.cost.bytes_per_event
    )
}

fn triggers(s: &Status) -> String {
    let armed = s.triggers.iter().filter(|t| t.armed || t.fired > 0);
    let told: Vec<String> = armed
        .map(|t| {
            let refused: u64 = t.refused.iter().map(|r| r.count).sum();
            format!("{} {} fired {refused} refused", t.name, t.fired)
        })
        .collect();
    format!("triggers   {}", printable(&told.join(", ")))
}

fn table(processes: &[ProcessStatus]) -> Table<'static> {
    let mut busiest: Vec<&ProcessStatus> = processes.iter().collect();
    busiest.sort_by(|a, b| b.launches_per_second.total_cmp(&a.launches_per_second).then(a.pid.cmp(&b.pid)));
    let percent = |share: Option<f64>| share.map_or_else(|| "-".to_owned(), |p| format!("{p:.1} %"));
    let rows = busiest.into_iter().map(|p| {
        Row::new([
            Cell::from(p.pid.to_string()),
            Cell::from(printable(&p.comm)),
            Cell::from(format!("{:.0}", p.launches_per_second)),
            Cell::from(format!("{:.0}", p.calls_per_second)),
            Cell::from(percent(p.off_cpu_percent)),
            Cell::from(percent(p.runqueue_percent)),
            Cell::from(printable(&p.container)),
        ])
    });
    let widths = [8, 16, 12, 10, 9, 9].map(Constraint::Length).into_iter().chain([Constraint::Min(8)]);
    Table::new(rows, widths)
        .header(
            Row::new(["pid", "process", "launches/s", "calls/s", "off-CPU", "run queue", "container"])
                .style(BOLD),
        )
        .block(Block::new().borders(Borders::TOP).title(format!("{} GPU processes", processes.len())))
}

// Hours and minutes where seconds say nothing any more.
fn show_held(seconds: f64) -> String {
    match seconds as u64 {
        0..120 => format!("{seconds:.1} s"),
        whole @ 120..7_200 => format!("{} min {} s", whole / 60, whole % 60),
        whole => format!("{} h {} min", whole / 3_600, whole / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use ingero_format::control::{Cost, EventCounts, LossCount, RingStatus, TriggerStatus};
    use ratatui::{Terminal, backend::TestBackend};

    use super::*;

    fn shown(view: &View) -> String {
        let mut terminal = Terminal::new(TestBackend::new(100, 16)).unwrap();
        terminal.draw(|frame| draw(frame, view)).unwrap();
        terminal.backend().to_string()
    }

    fn process(pid: u32, comm: &str, launches: f64) -> ProcessStatus {
        let (launches_per_second, off_cpu_percent) = (launches, Some(12.5));
        ProcessStatus {
            pid,
            comm: comm.into(),
            launches_per_second,
            off_cpu_percent,
            ..ProcessStatus::default()
        }
    }

    #[test]
    fn the_past_held_comes_first_and_the_busiest_process_leads_its_table() {
        let mut view = View::first(Status {
            state: "recording".into(),
            seconds_held: 4_000.0,
            ring: RingStatus { bytes: 1 << 30, max_bytes: 4 << 30, segments: 64 },
            losses: vec![LossCount { source: "cuda".into(), cause: "ringbuf_full".into(), count: 1_234 }],
            cost: Cost { daemon_limit_percent: 1.0, thread_limit_percent: 100.0, ..Cost::default() },
            triggers: vec![TriggerStatus {
                name: "webhook".into(),
                armed: true,
                fired: 3,
                ..TriggerStatus::default()
            }],
            processes: vec![process(7, "quiet", 10.0), process(8, "busy\x1b[2J", 90_000.0)],
            ..Status::default()
        });
        let mut later = view.status.clone();
        later.events = EventCounts { produced: 500, stored: 400, lost: 100, evicted: 0 };
        view.next(later);
        let text = shown(&view);
        let line = |part: &str| {
            text.lines().position(|l| l.contains(part)).unwrap_or_else(|| panic!("{part}\n{text}"))
        };
        assert_eq!(line("66 min 40 s of past held"), 0);
        assert!(line("1,234 cuda (ringbuf_full)") < line("webhook 3 fired"));
        assert!(line("90000") < line("quiet"));
        assert!(text.contains("(limit 1 %)") && !text.contains("100 %") && text.contains("12.5 %"), "{text}");
        assert!(!text.contains('\x1b'), "names of processes do not steer the terminal");
    }

    #[test]
    fn a_recorder_that_does_not_answer_is_told_and_the_last_picture_stays() {
        let mut view = View::first(Status { seconds_held: 5.0, ..Status::default() });
        view.silent("connection refused".into());
        let text = shown(&view);
        assert!(
            text.contains("no answer: connection refused") && text.contains("5.0 s of past held"),
            "{text}"
        );
    }
}
