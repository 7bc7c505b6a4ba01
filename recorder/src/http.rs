//! What the recorder's HTTP servers share: where they listen, who may ask, and how long a client may take.

mod accept;
mod listen;
mod serving;

pub use accept::{Answer, Bad, CONNECTION_TIMEOUT, Respond, SharedToken, authorised, serve};
pub use listen::{Listener, Server, Token, token};
pub use serving::{Bound, Serving};
