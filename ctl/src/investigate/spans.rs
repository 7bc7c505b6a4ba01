//! Time cut into spans: partitions, laying them over each other, painting over them.

/// A stretch of time and what is true of it.
pub(super) type Span<T> = (i64, i64, T);

/// Builds spans that cover `[from, to)` whatever it is told.
pub(super) struct Partition<T> {
    at: i64,
    to: i64,
    spans: Vec<Span<T>>,
}

impl<T> Partition<T> {
    pub fn new(from: i64, to: i64) -> Self {
        Self { at: from, to, spans: Vec::new() }
    }

    /// From where the last span ended until `moment` this was so.
    pub fn until(&mut self, moment: i64, value: T) {
        let end = moment.min(self.to);
        if end > self.at {
            self.spans.push((self.at, end, value));
            self.at = end;
        }
    }

    /// What is left was so.
    pub fn close(mut self, value: T) -> Vec<Span<T>> {
        let to = self.to;
        self.until(to, value);
        self.spans
    }
}

/// Lays two partitions of the same time over each other.
pub(super) fn overlay<A: Copy, B: Copy>(a: &[Span<A>], b: &[Span<B>]) -> Vec<Span<(A, B)>> {
    let mut out = Vec::with_capacity(a.len() + b.len());
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    while let (Some((a_from, a_to, x)), Some((b_from, b_to, y))) = (a.peek(), b.peek()) {
        let (from, to) = (*a_from.max(b_from), *a_to.min(b_to));
        if from < to {
            out.push((from, to, (*x, *y)));
        }
        if *a_to == to {
            a.next();
        }
        if *b_to == to {
            b.next();
        }
    }
    out
}

/// Those of disjoint rising spans that touch `[from, to)`.
pub(super) fn touching(spans: &[(i64, i64)], from: i64, to: i64) -> impl Iterator<Item = (i64, i64)> + '_ {
    let first = spans.partition_point(|(_, end)| *end <= from);
    spans.iter().skip(first).take_while(move |(begin, _)| *begin < to).copied()
}

/// Sorts spans and joins those that touch.
pub(super) fn merged(mut spans: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
    spans.sort_unstable();
    let mut out: Vec<(i64, i64)> = Vec::with_capacity(spans.len());
    for (from, to) in spans {
        match out.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => out.push((from, to)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_covers_its_time_whatever_it_is_told() {
        let mut p = Partition::new(10, 20);
        p.until(5, 'a');
        p.until(12, 'b');
        p.until(11, 'c');
        p.until(40, 'd');
        assert_eq!(p.close('e'), [(10, 12, 'b'), (12, 20, 'd')]);
        assert_eq!(Partition::new(1, 1).close('x'), []);
    }

    #[test]
    fn spans_are_joined_where_they_touch_and_found_where_they_reach() {
        let spans = merged(vec![(30, 40), (0, 10), (10, 12), (35, 50)]);
        assert_eq!(spans, [(0, 12), (30, 50)]);
        assert_eq!(touching(&spans, 12, 30).collect::<Vec<_>>(), []);
        assert_eq!(touching(&spans, 11, 31).collect::<Vec<_>>(), spans);
    }
}
