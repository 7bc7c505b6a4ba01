//! Bytes into lines, however they arrive.

use super::MAX_LINE_BYTES;

/// What stood between two line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A line without its end; may be empty.
    Whole(&'a [u8]),
    /// One of more than [`MAX_LINE_BYTES`] with its end: told when it passes them, then left out up to its end.
    TooLong,
}

/// The part of a line that has arrived.
#[derive(Debug, Default)]
pub struct Lines {
    begun: Vec<u8>,
    skipping: bool,
}

impl Lines {
    /// Takes bytes and gives each line that ends in them.
    pub fn feed(&mut self, bytes: &[u8], mut line: impl FnMut(Line<'_>)) {
        let mut rest = bytes;
        while let Some(at) = rest.iter().position(|b| *b == b'\n') {
            let (part, after) = rest.split_at(at);
            rest = after.get(1..).unwrap_or_default();
            self.part(part, &mut line);
            if !std::mem::take(&mut self.skipping) {
                line(Line::Whole(&self.begun));
            }
            self.begun.clear();
        }
        self.part(rest, &mut line);
    }

    /// The stream has ended: what is left is a line too.
    pub fn end(&mut self, mut line: impl FnMut(Line<'_>)) {
        if !self.begun.is_empty() {
            line(Line::Whole(&std::mem::take(&mut self.begun)));
        }
    }

    fn part(&mut self, part: &[u8], line: &mut impl FnMut(Line<'_>)) {
        if self.skipping {
            return;
        }
        // With its end it may have as many as the limit.
        if self.begun.len() + part.len() >= MAX_LINE_BYTES {
            self.skipping = true;
            self.begun = Vec::new();
            line(Line::TooLong);
            return;
        }
        self.begun.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(pieces: &[&[u8]]) -> Vec<Option<Vec<u8>>> {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        let mut keep = |line: Line<'_>| {
            found.push(match line {
                Line::Whole(bytes) => Some(bytes.to_vec()),
                Line::TooLong => None,
            });
        };
        pieces.iter().for_each(|piece| lines.feed(piece, &mut keep));
        lines.end(&mut keep);
        found
    }

    #[test]
    fn a_line_may_have_as_many_bytes_as_the_limit_with_its_end_and_not_one_more() {
        let mut fits = vec![b'a'; MAX_LINE_BYTES - 1];
        fits.push(b'\n');
        assert_eq!(cut(&[&fits, b"b\n"]), [Some(vec![b'a'; MAX_LINE_BYTES - 1]), Some(b"b".to_vec())]);
        fits.insert(0, b'a');
        assert_eq!(cut(&[&fits, b"b\n"]), [None, Some(b"b".to_vec())]);
    }

    #[test]
    fn a_line_without_an_end_is_told_once_and_takes_no_room() {
        let mut lines = Lines::default();
        let mut told = 0;
        for _ in 0..1_000 {
            lines.feed(&[b'x'; 10_240], |_| told += 1);
            assert!(lines.begun.len() < MAX_LINE_BYTES);
        }
        assert_eq!(told, 1);
    }

    proptest! {
        #[test]
        fn lines_do_not_depend_on_how_the_bytes_arrive(
            lines in proptest::collection::vec(proptest::collection::vec(0u8..=255, 0..40), 0..20),
            long in 0usize..20,
            cuts in proptest::collection::vec(0usize..70_000, 0..10),
        ) {
            let mut bytes = Vec::new();
            for (i, line) in lines.iter().enumerate() {
                bytes.extend(line);
                if i == long {
                    bytes.extend(std::iter::repeat_n(b'y', 60_000));
                }
                bytes.push(b'\n');
            }
            let mut at: Vec<usize> = cuts.iter().map(|c| (*c).min(bytes.len())).chain([0, bytes.len()]).collect();
            at.sort_unstable();
            let pieces: Vec<&[u8]> = at.windows(2).map(|w| &bytes[w[0]..w[1]]).collect();
            prop_assert_eq!(cut(&pieces), cut(&[&bytes]));
            let all: usize = bytes.iter().filter(|b| **b == b'\n').count();
            prop_assert_eq!(cut(&[&bytes]).len(), all);
        }
    }
}
