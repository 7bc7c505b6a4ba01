//! What programs say of their own time: requests, steps, phases, told over a socket and kept beside the events.
//!
//! One object of JSON a line, as clients of the Ingero agent send it (`docs/ANNOTATIONS.md`). Nothing is ever answered.
//! Each line is kept or refused, and counted either way. A thread of its own reads the socket and sends what it keeps
//! to the drain over a channel without an end; how much that can be is bounded before: [`Limits`].

mod counts;
mod limits;
mod line;
mod lines;
mod listen;
mod sender;
mod serve;

pub use counts::{Counts, Refusal};
pub use limits::{Allowance, Bucket, Limits};
pub use line::{MAX_LINE_BYTES, Placed, Said, When, parse};
pub use lines::{Line, Lines};
pub use listen::bind;
pub use sender::Sender;
pub use serve::{Annotator, serve};
