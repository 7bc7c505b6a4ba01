//! Databases as an agent writes them, and as nobody should.

mod figures;
mod hostile;
