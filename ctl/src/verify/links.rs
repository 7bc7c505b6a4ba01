//! The digest chain from segment to segment.

use ingero_format::segment::{Header, Links, follow};

/// Follows the chain over segments in the order of their numbers.
#[derive(Debug, Default)]
pub(super) struct Chain {
    last: Option<(u64, Links)>,
    broken: bool,
    unknown: bool,
}

impl Chain {
    /// Takes the next segment; says what is wrong with it, and what cannot be known.
    pub(super) fn segment(&mut self, bytes: &[u8], header: &Header) -> (Option<String>, Option<String>) {
        let links = follow(bytes, header);
        let before = self.last.replace((header.seq, links));
        if links.tampered() {
            self.broken = true;
            return (
                Some("tampered: its frames are whole but not those that its footer was made from".into()),
                None,
            );
        }
        if links.damaged {
            self.unknown = true;
        }
        let Some((seq, before)) = before.filter(|(seq, _)| seq + 1 == header.seq) else {
            return (None, None);
        };
        if before.after == header.chain_before || before.damaged {
            return (None, None);
        }
        if before.footer_agrees == Some(true) {
            self.broken = true;
            let text = format!("tampered: it does not go on from segment {seq}, one of the two was replaced");
            return (Some(text), None);
        }
        self.unknown = true;
        let text = format!(
            "segment {seq} was not closed and its end is not what segment {} was begun after: its last frames went with the power, or were cut off",
            header.seq
        );
        (None, Some(text))
    }

    /// The result in one word.
    pub(super) fn word(&self) -> &'static str {
        match (self.broken, self.unknown, &self.last) {
            (true, ..) => "broken",
            (false, false, Some(_)) => "unbroken",
            _ => "unknown",
        }
    }
}
